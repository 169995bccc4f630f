# A function that is a container image, with everything that an image can be configured with; a step changes all of it.

variable "endpoint" { type = string }
variable "image" { type = string }
variable "step" {
  type    = number
  default = 1
}

terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints { lambda = var.endpoint }
}

resource "aws_lambda_function" "image" {
  function_name = "image"
  package_type  = "Image"
  role          = "arn:aws:iam::000000000000:role/lambda"
  image_uri     = "${var.image}:step${var.step}"
  publish       = true
  image_config {
    entry_point       = ["/entry"]
    command           = ["step", tostring(var.step)]
    working_directory = var.step == 1 ? "/here" : "/bin"
  }
}

resource "aws_lambda_function" "plain" {
  function_name = "plain"
  package_type  = "Image"
  role          = "arn:aws:iam::000000000000:role/lambda"
  image_uri     = "${var.image}:step1"
}

data "aws_lambda_invocation" "image" {
  function_name = aws_lambda_function.image.function_name
  qualifier     = aws_lambda_function.image.version
  input         = jsonencode("argv")
}

output "found" {
  value = {
    argv = jsondecode(data.aws_lambda_invocation.image.result)
    code = data.aws_lambda_function.image.image_uri
  }
}

data "aws_lambda_function" "image" {
  function_name = aws_lambda_function.image.function_name
}
