"""Ruby runtimes: the machine's own Ruby with AWS's gem ``aws_lambda_ric``."""
