"""Java runtimes: any JDK or JRE of the right version, with AWS's runtime interface client for Java as Maven carries it."""
