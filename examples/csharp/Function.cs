// A function in C#: https://docs.aws.amazon.com/lambda/latest/dg/csharp-handler.html
using Amazon.Lambda.Core;
using Amazon.Lambda.Serialization.SystemTextJson;

[assembly: LambdaSerializer(typeof(DefaultLambdaJsonSerializer))]

namespace Greeter;

public record Event(string? Name);

public record Answer(string message, string request);

public class Function
{
    public Answer Greet(Event given, ILambdaContext context)
    {
        if (string.IsNullOrEmpty(given.Name)) throw new ArgumentException("nobody to greet");
        context.Logger.LogInformation($"greeting {given.Name}");
        return new Answer($"Hello, {given.Name}, from C#!", context.AwsRequestId);
    }
}
