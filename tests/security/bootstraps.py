"""Bootstraps in Perl that speak to the Runtime API by hand, as badly as a test wants."""

PERL = r"""#!/usr/bin/perl
use strict; use warnings; use IO::Socket::INET;
$SIG{PIPE} = 'IGNORE';
my $invocations = '/2018-06-01/runtime/invocation';
sub say { syswrite STDOUT, "@_\n" }
sub dial { IO::Socket::INET->new(PeerAddr => $ENV{AWS_LAMBDA_RUNTIME_API}, Timeout => 20) or die "no connection: $!" }
sub put { my ($to, $data) = @_; my $at = 0;
  while ($at < length $data) { $at += syswrite($to, $data, 65536, $at) // return 0 }
  return 1 }
sub answer { my ($from) = @_; my $head = '';
  while ($head !~ /\r\n\r\n/) { sysread($from, $head, 65536, length $head) or return ('0', '', '') }
  ($head, my $body) = split /\r\n\r\n/, $head, 2;
  my ($size) = $head =~ /^content-length: *(\d+)/im;
  while (length $body < ($size // 0)) { sysread($from, $body, 65536, length $body) or last }
  return ((split ' ', $head)[1], $head, $body) }
sub post { my ($path, $body, $over) = @_; my $to = $over // dial();
  put($to, "POST $path HTTP/1.1\r\nHost: x\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
  my ($status, undef, $text) = answer($to); my ($type) = $text =~ /"errorType":"([^"]+)"/;
  return $type ? "$status $type" : $status }
sub ask { my ($over) = @_; put($over, "GET $invocations/next HTTP/1.1\r\nHost: x\r\n\r\n") }
sub event { my $over = dial(); ask($over); my (undef, $head, $body) = answer($over);
  return ($head =~ /^lambda-runtime-aws-request-id: *(\S+)/im)[0] }
sub respond { my ($id, $body, $over) = @_; return post("$invocations/$id/response", $body, $over) }
sub well { while (my $id = event()) { respond($id, '"well"') } }
"""
"""What each begins with. ``event`` waits for an event and returns its request id; ``well`` behaves from then on."""

RUDE = {
    "answers twice": (
        r"""my $id = event(); respond($id, '"well"'); say('@', respond($id, '"again"'));""",
        "403 InvalidStateTransition",
    ),
    "answers another": (
        r"""my $id = event(); say('@', respond('8476a536-e9f4-11e8-9739-2dfe598c3fcd', 1)); respond($id, '"well"');""",
        "400 InvalidRequestID",
    ),
    "answers before": (
        r"""say('@', respond('8476a536-e9f4-11e8-9739-2dfe598c3fcd', 1));""",
        "403 InvalidStateTransition",
    ),
    "late init error": (
        r"""my $id = event(); say('@', post('/2018-06-01/runtime/init/error', '{}')); respond($id, '"well"');""",
        "403 InvalidStateTransition",
    ),
    "asks twice": (
        r"""my ($one, $two) = (dial(), dial()); ask($one); select undef, undef, undef, 0.2; ask($two);
        say('@', answer($two)); my ($id) = (answer($one))[1] =~ /request-id: *(\S+)/i; respond($id, '"well"');""",
        "403",
    ),
    "no HTTP": (
        r"""my $over = dial(); put($over, "NO HTTP\r\n\r\n"); say('@', answer($over));""",
        "400",
    ),
    "huge head": (
        r"""my $over = dial(); put($over, "GET / HTTP/1.1\r\nX: " . ('x' x (1 << 20))); say('@', answer($over));""",
        "431",
    ),
    "bad length": (
        r"""my $id = event(); my $over = dial();
        put($over, "POST $invocations/$id/response HTTP/1.1\r\nContent-Length: -1\r\n\r\n");
        say('@', answer($over)); respond($id, '"well"');""",
        "400",
    ),
    "bad chunk": (
        r"""my $id = event(); my $over = dial();
        put($over, "POST $invocations/$id/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n");
        say('@', answer($over)); respond($id, '"well"');""",
        "400",
    ),
    "closes in the middle": (
        r"""my $id = event(); my $over = dial();
        put($over, "POST $invocations/$id/response HTTP/1.1\r\nContent-Length: 1000\r\n\r\n123");
        close $over; say('@', respond($id, '"well"'));""",
        "202",
    ),
}
"""What breaks the protocol, and the status, and the error's type if it has one, that the answer to it begins with."""
