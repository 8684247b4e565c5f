/** What the proxy changes of a session description. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { iceOf, isDescription, withCandidate } from '../../../../lab/builtin/proxy/whip-answer.ts';

const PROXY = { host: '192.0.2.9', port: 18000 };

/** As SRS 7.0.18 writes it, with the addresses of all its interfaces. */
const ANSWER = [
  ...['v=0', 'o=SRS/7.0.18 1 2 IN IP4 0.0.0.0', 's=SRSPlaySession', 't=0 0', 'a=ice-lite'],
  ...['a=group:BUNDLE 0 1', 'a=msid-semantic: WMS live/x', 'm=audio 9 UDP/TLS/RTP/SAVPF 111'],
  ...['c=IN IP4 0.0.0.0', 'a=ice-ufrag:3a7x9f12', 'a=ice-pwd:0123456789abcdefghijklmnopqrstuv', 'a=mid:0'],
  'a=candidate:0 1 udp 2130706431 10.0.0.7 8000 typ host generation 0',
  'a=candidate:1 1 udp 2130706431 10.0.0.8 8000 typ host generation 0',
  'a=candidate:2 1 tcp 2130706431 10.0.0.7 8000 typ host tcptype passive generation 0',
  ...['m=video 8000 UDP/TLS/RTP/SAVPF 106', 'c=IN IP4 10.0.0.7', 'a=rtcp:8000 IN IP4 10.0.0.7', 'a=mid:1'],
  'a=candidate:0 1 UDP 2130706431 10.0.0.7 8000 typ srflx raddr 10.1.1.1 rport 9',
  ...['m=application 0 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP6 2001:db8::7', ''],
];

test('one candidate per description, the proxy’s, and no address of the origin', () => {
  const lines = withCandidate(ANSWER.join('\r\n'), PROXY).split('\r\n');
  const changed = lines.filter((line) => !ANSWER.includes(line));
  assert.deepEqual(changed, [
    'a=candidate:0 1 udp 2130706431 192.0.2.9 18000 typ host generation 0',
    'm=video 9 UDP/TLS/RTP/SAVPF 106',
    'a=rtcp:9',
    'a=candidate:0 1 UDP 2130706431 192.0.2.9 18000 typ host',
    'c=IN IP6 ::',
  ]);
  const lost = ANSWER.filter((line) => !lines.includes(line));
  assert.equal(lines.length, ANSWER.length - 2);
  assert.ok(lost.every((line) => /10\.0\.0|8000|2001:/.test(line)));
});

test('line ends stay as they are, and so does what has no candidate', () => {
  for (const end of ['\r\n', '\n']) {
    const text = ['v=0', 'm=video 9 X 96', 'c=IN IP4 0.0.0.0', 'a=x:candidate', ''].join(end);
    assert.equal(withCandidate(text, PROXY), text);
  }
  const bare = 'a=candidate:1 1 udp 1 10.0.0.7 8000 typ host\n';
  assert.equal(withCandidate(bare, PROXY), 'a=candidate:1 1 udp 1 192.0.2.9 18000 typ host\n');
});

test('whatever it is, nothing but candidates is taken out, and twice is once', () => {
  const line = fc.oneof(
    fc.constantFrom(...ANSWER, 'a=candidate:', 'a=candidate:1 1 udp x', 'm=', 'c='),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const once = withCandidate(lines.join('\r\n'), PROXY);
      assert.equal(withCandidate(once, PROXY), once);
      assert.ok(!/candidate:\S+ 1 udp \d+ 10\.0/i.test(once));
    }),
    { numRuns: 500 },
  );
});

test('credentials', () => {
  assert.deepEqual(iceOf(ANSWER.join('\r\n')), {
    ufrag: '3a7x9f12',
    pwd: '0123456789abcdefghijklmnopqrstuv',
  });
  assert.equal(iceOf('a=ice-ufrag:abcd\n'), undefined);
  assert.equal(iceOf('a=ice-ufrag:a b c d\na=ice-pwd:0123456789abcdefghijklmn\n'), undefined);
  const types: [string | undefined, boolean][] = [
    ['application/sdp', true],
    ['Application/SDP; charset=utf-8', true],
    ['application/trickle-ice-sdpfrag', true],
    ['application/json', false],
    [undefined, false],
  ];
  for (const [type, expected] of types) assert.equal(isDescription(type), expected, type);
});
