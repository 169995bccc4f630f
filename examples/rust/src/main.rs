//! A function in Rust, on AWS's own client for it: https://docs.aws.amazon.com/lambda/latest/dg/rust-handler.html

use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event {
    name: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    message: String,
    request: String,
}

async fn handle(given: LambdaEvent<Event>) -> Result<Answer, Error> {
    let name = given.payload.name.ok_or("nobody to greet")?;
    println!("greeting {name}");
    Ok(Answer { message: format!("Hello, {name}, from Rust!"), request: given.context.request_id })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
