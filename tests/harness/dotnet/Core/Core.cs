namespace Amazon.Lambda.Core;

public interface ILambdaLogger
{
    void LogLine(string message);
    void LogInformation(string message) => LogLine(message);
}

public interface ILambdaContext
{
    string AwsRequestId { get; }
    string FunctionName { get; }
    int MemoryLimitInMB { get; }
    ILambdaLogger Logger { get; }
}

public interface ILambdaSerializer
{
    T Deserialize<T>(Stream requestStream);
    void Serialize<T>(T response, Stream responseStream);
}

[AttributeUsage(AttributeTargets.Method | AttributeTargets.Assembly)]
public sealed class LambdaSerializerAttribute(Type serializerType) : Attribute
{
    public Type SerializerType { get; } = serializerType;
}
