// A function in Go, on AWS's own client for it: https://docs.aws.amazon.com/lambda/latest/dg/golang-handler.html
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Name string `json:"name"`
}

type answer struct {
	Message string `json:"message"`
	Request string `json:"request"`
}

func handle(ctx context.Context, given event) (answer, error) {
	if given.Name == "" {
		return answer{}, errors.New("nobody to greet")
	}
	log.Printf("greeting %s", given.Name)
	invocation, _ := lambdacontext.FromContext(ctx)
	return answer{Message: fmt.Sprintf("Hello, %s, from Go!", given.Name), Request: invocation.AwsRequestID}, nil
}

func main() {
	lambda.Start(handle)
}
