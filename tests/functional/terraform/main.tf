# Every aws_lambda_* resource and data source of the AWS provider, with roles, queues, tables and streams beside them.
# "step" is 1 at first and 2 for the change of each of them.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "package" { type = string }
variable "layer" { type = string }
variable "step" {
  type    = number
  default = 1
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
  endpoints {
    dynamodb = var.endpoint
    iam      = var.endpoint
    kinesis  = var.endpoint
    lambda   = var.endpoint
    s3       = var.endpoint
    sns      = var.endpoint
    sqs      = var.endpoint
    sts      = var.endpoint
  }
}

# --- beside ---

resource "aws_iam_role" "runner" {
  name = "runner"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_sqs_queue" "work" { name = "work" }
resource "aws_sqs_queue" "failed" { name = "failed" }
resource "aws_sns_topic" "news" { name = "news" }

resource "aws_dynamodb_table" "items" {
  name             = "items"
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "id"
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"
  attribute {
    name = "id"
    type = "S"
  }
}

resource "aws_kinesis_stream" "clicks" {
  name        = "clicks"
  shard_count = 1
}

resource "aws_s3_bucket" "code" { bucket = "code" }

resource "aws_s3_object" "package" {
  bucket = aws_s3_bucket.code.id
  key    = "package.zip"
  source = var.package
}

# --- functions ---

resource "aws_lambda_code_signing_config" "signing" {
  description = "step ${var.step}"
  allowed_publishers {
    signing_profile_version_arns = ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/mine/abcdefghij"]
  }
  policies {
    untrusted_artifact_on_deployment = "Warn"
  }
  tags = { step = var.step }
}

resource "aws_lambda_layer_version" "shared" {
  layer_name               = "shared"
  filename                 = var.layer
  description              = "step ${var.step}"
  compatible_runtimes      = ["python3.11", "python3.12"]
  compatible_architectures = ["x86_64"]
  license_info             = "Apache-2.0"
}

resource "aws_lambda_layer_version_permission" "everybody" {
  layer_name     = aws_lambda_layer_version.shared.layer_name
  version_number = aws_lambda_layer_version.shared.version
  statement_id   = "step-${var.step}"
  principal      = "*"
  action         = "lambda:GetLayerVersion"
}

resource "aws_lambda_function" "main" {
  function_name                  = "main"
  description                    = "step ${var.step}"
  role                           = aws_iam_role.runner.arn
  runtime                        = "python3.11"
  handler                        = "app.handler"
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  publish                        = true
  timeout                        = 10 + var.step
  memory_size                    = 128 * var.step
  reserved_concurrent_executions = 10 + var.step
  architectures                  = ["x86_64"]
  layers                         = [aws_lambda_layer_version.shared.arn]
  code_signing_config_arn        = aws_lambda_code_signing_config.signing.arn
  environment {
    variables = { STEP = var.step }
  }
  ephemeral_storage {
    size = 512 * var.step
  }
  dead_letter_config {
    target_arn = aws_sqs_queue.failed.arn
  }
  tracing_config {
    mode = var.step == 1 ? "PassThrough" : "Active"
  }
  logging_config {
    log_format            = "JSON"
    log_group             = "/midge/main-${var.step}"
    application_log_level = var.step == 1 ? "INFO" : "DEBUG"
    system_log_level      = "WARN"
  }
  tags = { step = var.step }
}

resource "aws_lambda_function" "from_s3" {
  function_name = "from-s3"
  description   = "step ${var.step}"
  role          = aws_iam_role.runner.arn
  runtime       = "python3.11"
  handler       = "app.handler"
  s3_bucket     = aws_s3_object.package.bucket
  s3_key        = aws_s3_object.package.key
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "step ${var.step}"
  function_name    = aws_lambda_function.main.function_name
  function_version = aws_lambda_function.main.version
}

resource "aws_lambda_alias" "weighted" {
  name             = "weighted"
  function_name    = aws_lambda_function.main.function_name
  function_version = "1"
  dynamic "routing_config" {
    for_each = var.step == 1 ? [] : [1]
    content {
      additional_version_weights = { (aws_lambda_function.main.version) = 0.25 }
    }
  }
}

resource "aws_lambda_permission" "s3" {
  statement_id   = "s3-${var.step}"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.main.function_name
  qualifier      = aws_lambda_alias.live.name
  principal      = "s3.amazonaws.com"
  source_arn     = aws_s3_bucket.code.arn
  source_account = "000000000000"
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  function_name                     = aws_lambda_function.main.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.step
}

resource "aws_lambda_runtime_management_config" "main" {
  function_name     = aws_lambda_function.main.function_name
  qualifier         = "$LATEST"
  update_runtime_on = var.step == 1 ? "Auto" : "FunctionUpdate"
}

resource "aws_lambda_function_recursion_config" "main" {
  function_name  = aws_lambda_function.main.function_name
  recursive_loop = var.step == 1 ? "Allow" : "Terminate"
}

resource "aws_lambda_function_event_invoke_config" "main" {
  function_name                = aws_lambda_function.main.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_event_age_in_seconds = 60 * var.step
  maximum_retry_attempts       = var.step - 1
  destination_config {
    on_failure {
      destination = aws_sqs_queue.failed.arn
    }
    on_success {
      destination = aws_sns_topic.news.arn
    }
  }
}

resource "aws_lambda_function_url" "main" {
  function_name      = aws_lambda_function.main.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
  invoke_mode        = var.step == 1 ? "BUFFERED" : "RESPONSE_STREAM"
  cors {
    allow_credentials = true
    allow_origins     = ["https://example.com"]
    allow_methods     = ["GET", "POST"]
    allow_headers     = ["date", "keep-alive"]
    expose_headers    = ["keep-alive"]
    max_age           = 100 * var.step
  }
}

resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn                   = aws_sqs_queue.work.arn
  function_name                      = aws_lambda_function.main.function_name
  batch_size                         = 10 * var.step
  maximum_batching_window_in_seconds = var.step
  function_response_types            = ["ReportBatchItemFailures"]
  enabled                            = var.step == 1
  scaling_config {
    maximum_concurrency = 2 * var.step
  }
  filter_criteria {
    filter {
      pattern = jsonencode({ body = { step = [var.step] } })
    }
  }
  tags = { step = var.step }
}

resource "aws_lambda_event_source_mapping" "table" {
  event_source_arn               = aws_dynamodb_table.items.stream_arn
  function_name                  = aws_lambda_alias.live.arn
  starting_position              = "LATEST"
  batch_size                     = 50 * var.step
  parallelization_factor         = var.step
  maximum_retry_attempts         = var.step
  maximum_record_age_in_seconds  = 60 * var.step
  bisect_batch_on_function_error = var.step == 1
  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failed.arn
    }
  }
}

resource "aws_lambda_event_source_mapping" "stream" {
  event_source_arn           = aws_kinesis_stream.clicks.arn
  function_name              = aws_lambda_function.main.arn
  starting_position          = "TRIM_HORIZON"
  tumbling_window_in_seconds = 30 * var.step
}

resource "aws_lambda_invocation" "main" {
  function_name = aws_lambda_function.main.function_name
  input         = jsonencode({ step = var.step })
}

# --- looked up ---

data "aws_lambda_function" "main" {
  function_name = aws_lambda_function.main.function_name
  qualifier     = aws_lambda_alias.live.name
}

data "aws_lambda_functions" "all" { depends_on = [aws_lambda_function.main, aws_lambda_function.from_s3] }

data "aws_lambda_alias" "live" {
  function_name = aws_lambda_function.main.function_name
  name          = aws_lambda_alias.live.name
}

data "aws_lambda_code_signing_config" "signing" { arn = aws_lambda_code_signing_config.signing.arn }

data "aws_lambda_function_url" "main" {
  function_name = aws_lambda_function_url.main.function_name
  qualifier     = aws_lambda_function_url.main.qualifier
}

data "aws_lambda_layer_version" "shared" {
  layer_name         = aws_lambda_layer_version.shared.layer_name
  compatible_runtime = "python3.12"
}

data "aws_lambda_invocation" "main" {
  function_name = aws_lambda_function.main.function_name
  input         = jsonencode({ step = var.step })
}

output "found" {
  value = {
    timeout   = data.aws_lambda_function.main.timeout
    functions = data.aws_lambda_functions.all.function_names
    alias     = data.aws_lambda_alias.live.description
    signing   = data.aws_lambda_code_signing_config.signing.description
    url       = data.aws_lambda_function_url.main.function_url
    layer     = data.aws_lambda_layer_version.shared.description
    invoked   = jsondecode(data.aws_lambda_invocation.main.result)
    recorded  = jsondecode(aws_lambda_invocation.main.result)
  }
}
