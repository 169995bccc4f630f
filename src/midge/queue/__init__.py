"""Events that wait for an asynchronous invocation: kept on disk from the moment they are accepted until they are done."""
