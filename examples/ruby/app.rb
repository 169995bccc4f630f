# A function in Ruby: https://docs.aws.amazon.com/lambda/latest/dg/ruby-handler.html

def handler(event:, context:)
  raise ArgumentError, 'nobody to greet' if event['name'].to_s.empty?

  puts "greeting #{event['name']}"
  { message: "Hello, #{event['name']}, from Ruby!", request: context.aws_request_id }
end
