"""The .NET runtimes: the machine's own .NET, with AWS's Amazon.Lambda.RuntimeSupport as its package sources carry it."""
