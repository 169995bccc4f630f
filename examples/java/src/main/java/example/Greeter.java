package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

/** A function in Java: https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html */
public class Greeter implements RequestHandler<Greeter.Event, Greeter.Answer> {

    /** What the function is given. */
    public static class Event {
        private String name;

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }
    }

    /** What it answers. */
    public static class Answer {
        private final String message;
        private final String request;

        Answer(String message, String request) {
            this.message = message;
            this.request = request;
        }

        public String getMessage() {
            return message;
        }

        public String getRequest() {
            return request;
        }
    }

    @Override
    public Answer handleRequest(Event event, Context context) {
        if (event.getName() == null || event.getName().isEmpty()) {
            throw new IllegalArgumentException("nobody to greet");
        }
        context.getLogger().log("greeting " + event.getName());
        return new Answer("Hello, " + event.getName() + ", from Java!", context.getAwsRequestId());
    }
}
