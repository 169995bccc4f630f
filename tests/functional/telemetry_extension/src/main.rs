//! Prints what it hears: telemetry as AWS's crate has understood it, and the events of its life.

use lambda_extension::{
    service_fn, Error, Extension, LambdaEvent, LambdaTelemetry, LambdaTelemetryRecord, NextEvent, SharedService,
};

async fn hear(events: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for event in events {
        if !matches!(event.record, LambdaTelemetryRecord::Extension(_)) {
            println!("@rust heard {:?}", event.record);
        }
    }
    Ok(())
}

async fn live(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => println!("@rust INVOKE {} {}", invoke.request_id, invoke.tracing.value),
        NextEvent::Shutdown(shutdown) => {
            println!("@rust SHUTDOWN {}", shutdown.shutdown_reason);
            std::process::exit(0);
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Extension::new()
        .with_events(&["INVOKE", "SHUTDOWN"])
        .with_events_processor(service_fn(live))
        .with_telemetry_types(&["platform", "function"])
        .with_telemetry_processor(SharedService::new(service_fn(hear)))
        .run()
        .await
}
