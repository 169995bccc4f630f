using System.Reflection;
using System.Text;
using System.Text.Json;
using Amazon.Lambda.Core;

namespace Amazon.Lambda.RuntimeSupport;

internal sealed class Logger : ILambdaLogger
{
    public void LogLine(string message) => Console.WriteLine(message);
}

internal sealed record Context(string AwsRequestId) : ILambdaContext
{
    public string FunctionName => Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_NAME")!;
    public int MemoryLimitInMB => int.Parse(Environment.GetEnvironmentVariable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")!);
    public ILambdaLogger Logger { get; } = new Logger();
}

/// <summary>Asks for events and posts what the handler makes of them. Every 202 has to carry JSON, as AWS's client wants.</summary>
public sealed class LambdaBootstrap(Func<Stream, ILambdaContext, Task<Stream>> handler)
{
    private static readonly string Api =
        $"http://{Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API")}/2018-06-01/runtime";
    private static readonly HttpClient Client = new() { Timeout = Timeout.InfiniteTimeSpan };

    internal static async Task Post(string path, Stream body, string? errorType = null)
    {
        using var content = new StreamContent(body);
        if (errorType != null) content.Headers.Add("Lambda-Runtime-Function-Error-Type", errorType);
        using var reply = await Client.PostAsync(Api + path, content);
        var status = JsonDocument.Parse(await reply.Content.ReadAsStringAsync()).RootElement.GetProperty("status");
        if (status.GetString() != "OK") throw new InvalidOperationException($"the Runtime API answered {status}");
    }

    internal static Task PostError(string path, Exception error)
    {
        var document = new { errorType = error.GetType().Name, errorMessage = error.Message };
        return Post(path, new MemoryStream(JsonSerializer.SerializeToUtf8Bytes(document)), document.errorType);
    }

    public async Task RunAsync()
    {
        while (true)
        {
            using var next = await Client.GetAsync(Api + "/invocation/next");
            var request = next.Headers.GetValues("Lambda-Runtime-Aws-Request-Id").Single();
            try
            {
                var answer = await handler(await next.Content.ReadAsStreamAsync(), new Context(request));
                await Post($"/invocation/{request}/response", answer);
            }
            catch (Exception error)
            {
                await PostError($"/invocation/{request}/error", (error as TargetInvocationException)?.InnerException ?? error);
            }
        }
    }
}

/// <summary>Calls the method that a handler of the form Assembly::Type::Method names.</summary>
internal static class Program
{
    private static MethodInfo Find(string handler)
    {
        var parts = handler.Split("::");
        var type = Assembly.Load(parts[0]).GetType(parts[1])
            ?? throw new TypeLoadException($"Unable to load type '{parts[1]}' from assembly '{parts[0]}'.");
        return type.GetMethod(parts[2]) ?? throw new MissingMethodException(parts[1], parts[2]);
    }

    private static T? Call<T>(ILambdaSerializer serializer, string name, Type type, params object?[] arguments) =>
        (T?)typeof(ILambdaSerializer).GetMethod(name)!.MakeGenericMethod(type).Invoke(serializer, arguments);

    private static Func<Stream, ILambdaContext, Task<Stream>> Wrap(MethodInfo method)
    {
        var made = method.IsStatic ? null : Activator.CreateInstance(method.DeclaringType!);
        var attribute = method.GetCustomAttribute<LambdaSerializerAttribute>()
            ?? method.DeclaringType!.Assembly.GetCustomAttribute<LambdaSerializerAttribute>()
            ?? throw new InvalidOperationException("The function has no serializer.");
        var serializer = (ILambdaSerializer)Activator.CreateInstance(attribute.SerializerType)!;
        var parameters = method.GetParameters();
        return async (stream, context) =>
        {
            var arguments = parameters.Select(parameter =>
                parameter.ParameterType == typeof(ILambdaContext) ? context
                : parameter.ParameterType == typeof(Stream) ? stream
                : Call<object>(serializer, "Deserialize", parameter.ParameterType, stream)).ToArray();
            var result = method.Invoke(made, arguments);
            var type = method.ReturnType;
            if (result is Task task)
            {
                await task;
                type = type.GetGenericArguments().Single();
                result = task.GetType().GetProperty("Result")!.GetValue(task);
            }
            if (result is Stream answer) return answer;
            var body = new MemoryStream();
            Call<object>(serializer, "Serialize", type, result, body);
            body.Position = 0;
            return body;
        };
    }

    private static async Task<int> Main(string[] arguments)
    {
        Console.OutputEncoding = Encoding.UTF8;
        try
        {
            await new LambdaBootstrap(Wrap(Find(arguments[0]))).RunAsync();
            return 0;
        }
        catch (Exception error)
        {
            await LambdaBootstrap.PostError("/init/error", error);
            return 1;
        }
    }
}
