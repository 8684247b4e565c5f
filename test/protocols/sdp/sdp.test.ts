import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  type SdpMedia,
  type SessionDescription,
  sameCodec,
  transportOf,
} from '../../../protocols/sdp/description.ts';
import { iceAgent, lintAnswer, lintOffer } from '../../../protocols/sdp/lint.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import { writeSdp } from '../../../protocols/sdp/write.ts';

const capture = (name: string): string =>
  readFileSync(`fixtures/captures/srs-7.0.18/whep-${name}.sdp`, 'utf8');
const offer = parseSdp(capture('offer'));
const answer = parseSdp(capture('answer'));

const HEAD = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';

/** The answer of SRS with its video description changed. */
function answerWith(change: Partial<SdpMedia>): SessionDescription {
  return { ...answer, media: [{ ...answer.media[0]!, ...change }, answer.media[1]!] };
}

describe('session descriptions', () => {
  it("SRS's answer is read", () => {
    const { media, ...session } = answer;
    assert.deepEqual(
      [session.iceLite, session.bundles, session.name],
      [true, [['0', '1']], 'SRSPlaySession'],
    );
    const [video, audio] = media;
    assert.deepEqual(video!.codecs, [
      {
        payloadType: 102,
        name: 'H264',
        clockRate: 90_000,
        fmtp: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
        feedback: ['nack', 'nack pli'],
      },
    ]);
    assert.deepEqual(audio!.codecs, [
      { payloadType: 111, name: 'opus', clockRate: 48_000, channels: 2, feedback: [] },
    ]);
    assert.deepEqual(video!.ssrcs, [{ ssrc: 21_696_951, cname: 'k41lw9t5bbr360iw' }]);
    assert.deepEqual(video!.candidates, [
      {
        foundation: '0',
        component: 1,
        transport: 'udp',
        priority: 2_130_706_431,
        address: '127.0.0.1',
        port: 8000,
        type: 'host',
        extensions: [{ name: 'generation', value: '0' }],
      },
    ]);
    const transport = transportOf(answer, video!);
    assert.deepEqual(
      [transport.setup, transport.direction, transport.iceUfrag],
      ['passive', 'sendonly', '33w2zk67'],
    );
  });

  it('what holds for the session holds for each media description without its own', () => {
    assert.equal(offer.media[0]!.fingerprints.length, 0);
    const transport = transportOf(offer, offer.media[1]!);
    assert.equal(transport.fingerprints[0]!.algorithm, 'sha-256');
    assert.equal(transport.setup, 'actpass');
  });

  for (const name of ['offer', 'answer']) {
    it(`the ${name} is the same after writing and reading`, () => {
      const description = parseSdp(capture(name));
      assert.deepEqual(parseSdp(writeSdp(description)), description);
    });
  }

  it('H.264 of another packetization mode or profile is another codec', () => {
    const [codec] = offer.media[0]!.codecs;
    assert.ok(sameCodec(codec!, { ...codec!, fmtp: 'packetization-mode=1;profile-level-id=42001f' }));
    assert.ok(!sameCodec(codec!, { ...codec!, fmtp: 'profile-level-id=42e01f' }));
    assert.ok(!sameCodec(codec!, { ...codec!, fmtp: 'packetization-mode=1;profile-level-id=64001f' }));
  });

  it('rtcp-fb of all payload types is that of each', () => {
    const sdp = `${HEAD}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:* nack\r\n`;
    assert.deepEqual(parseSdp(sdp).media[0]!.codecs[0]!.feedback, ['nack']);
  });

  const BAD: Record<string, [text: string, code: string]> = {
    nothing: ['', 'sdp.line'],
    'another version': ['v=1\r\n', 'sdp.line'],
    HTML: ['<html></html>', 'sdp.line'],
    'no origin': ['v=0\r\ns=-\r\nt=0 0\r\n', 'sdp.line'],
    'a line without a type': [`${HEAD}hello\r\n`, 'sdp.line'],
    'an attribute without a name': [`${HEAD}a=:x\r\n`, 'sdp.line'],
    'a media description without a port': [`${HEAD}m=video RTP/AVP 96\r\n`, 'sdp.value'],
    'a port above 65535': [`${HEAD}m=video 70000 RTP/AVP 96\r\n`, 'sdp.value'],
    'a payload type above 127': [`${HEAD}m=video 9 RTP/AVP 200\r\n`, 'sdp.value'],
    'an rtpmap without a clock rate': [`${HEAD}m=video 9 RTP/AVP 96\r\na=rtpmap:96 H264\r\n`, 'sdp.value'],
    'a fingerprint of letters': [`${HEAD}a=fingerprint:sha-256 hello\r\n`, 'sdp.value'],
    'a candidate without a type': [
      `${HEAD}m=video 9 RTP/AVP 96\r\na=candidate:1 1 udp 1 127.0.0.1 9\r\n`,
      'sdp.value',
    ],
    'an SSRC of 33 bits': [`${HEAD}m=video 9 RTP/AVP 96\r\na=ssrc:4294967296 cname:x\r\n`, 'sdp.value'],
    'a description of 64 KiB and more': [`${HEAD}${'a=x\r\n'.repeat(13_100)}`, 'sdp.size'],
    'too many lines': [`${HEAD}${'a=x\n'.repeat(2000)}`, 'sdp.size'],
    'too many media descriptions': [`${HEAD}${'m=video 9 RTP/AVP 96\n'.repeat(33)}`, 'sdp.size'],
  };
  for (const [what, [text, code]] of Object.entries(BAD)) {
    it(`${what}: ${code}`, () => assert.throws(() => parseSdp(text), { code }));
  }

  it('a value with a line break is not written', () => {
    assert.throws(() => writeSdp({ ...answer, name: 'x\r\na=evil' }), { code: 'sdp.value' });
  });
});

describe('rules of WHIP and WHEP', () => {
  it("the captured offer and SRS's answer to it keep them", () => {
    assert.deepEqual(lintOffer(offer, 'whep'), []);
    assert.deepEqual(lintAnswer(offer, answer), []);
  });

  it('an offer to play is no offer to publish', () => {
    const rules = lintOffer(offer, 'whip').map(({ rule }) => rule);
    assert.deepEqual([...new Set(rules)], ['direction', 'direction-exact']);
  });

  const codec = answer.media[0]!.codecs[0]!;
  const BROKEN: Record<string, SessionDescription> = {
    bundle: { ...answer, bundles: [] },
    'bundle-offered': { ...answer, bundles: [['0', '1', '2']] },
    'media-count': { ...answer, media: answer.media.slice(0, 1) },
    'media-kind': answerWith({ kind: 'audio' }),
    'mid-echo': { ...answerWith({ mid: '7' }), bundles: [['7', '0', '1']] },
    'rtcp-mux': answerWith({ rtcpMux: false }),
    protocol: answerWith({ protocol: 'RTP/AVP' }),
    rtpmap: answerWith({ formats: ['102', '103'] }),
    'ice-ufrag': answerWith({ iceUfrag: 'abc' }),
    'ice-pwd': answerWith({ icePwd: 'short' }),
    fingerprint: answerWith({ fingerprints: [] }),
    'fingerprint-hash': answerWith({ fingerprints: [{ algorithm: 'sha-1', value: 'AA' }] }),
    setup: answerWith({ setup: 'actpass' }),
    direction: answerWith({ direction: 'recvonly' }),
    'payload-type': answerWith({ codecs: [{ ...codec, payloadType: 96 }], formats: ['96'] }),
    'rtcp-fb': answerWith({ codecs: [{ ...codec, feedback: ['transport-cc'] }] }),
    extmap: answerWith({ extmap: [{ id: 3, uri: 'urn:x' }] }),
    candidate: { ...answer, media: answer.media.map((media) => ({ ...media, candidates: [] })) },
    'ice-lite-candidate': { ...answer, media: answer.media.map((media) => ({ ...media, candidates: [] })) },
    'ice-lite-host': answerWith({
      candidates: answer.media[0]!.candidates.map((candidate) => ({ ...candidate, type: 'relay' })),
    }),
    'ice-lite-level': answerWith({ attributes: [{ name: 'ice-lite' }] }),
  };
  for (const [rule, broken] of Object.entries(BROKEN)) {
    it(`${rule} is found`, () => {
      const rules = lintAnswer(offer, broken).map((violation) => violation.rule);
      assert.ok(rules.includes(rule), rules.join(', '));
    });
  }

  it('a full agent may have other candidates, or send them later; what it is can be told', () => {
    const rules = (session: SessionDescription): string[] =>
      lintAnswer(offer, session)
        .filter(({ level }) => level === 'must')
        .map(({ rule }) => rule);
    const { 'ice-lite-candidate': later, 'ice-lite-host': relayed } = BROKEN;
    for (const lite of [later!, relayed!]) {
      assert.equal(rules(lite).length, 1);
      assert.deepEqual(rules({ ...lite, iceLite: false }), []);
    }
    assert.equal(iceAgent(answer), 'lite, 2 candidates (host)');
    assert.equal(iceAgent({ ...relayed!, iceLite: false }), 'full, 2 candidates (host, relay)');
    assert.equal(iceAgent(later!), 'lite, no candidate');
    const below = capture('answer')
      .replace(/^a=ice-lite\r?\n/m, '')
      .replace(/^a=mid:0\r?\n/m, '$&a=ice-lite\r\n');
    assert.deepEqual(rules(parseSdp(below)), ['ice-lite-level']);
  });

  it('user name and password of a session, or of each media description', () => {
    const { iceUfrag, icePwd } = answer.media[0]!;
    const bare = answer.media.map(({ iceUfrag: _ufrag, icePwd: _pwd, ...media }) => media);
    const none = lintAnswer(offer, { ...answer, media: bare }).map(({ rule }) => rule);
    assert.deepEqual(none, ['ice-ufrag', 'ice-pwd', 'ice-ufrag', 'ice-pwd']);
    const session = { ...answer, media: bare, iceUfrag: iceUfrag!, icePwd: icePwd! };
    assert.deepEqual(lintAnswer(offer, session), []);
  });

  it('what is of the transport may stand in the first media description of the group only', () => {
    const [first, second] = answer.media as [SdpMedia, SdpMedia];
    const { iceUfrag: _ufrag, icePwd: _pwd, setup: _setup, ...rest } = second;
    const bare = { ...rest, fingerprints: [], rtcpMux: false, candidates: [] };
    const rules = (bundles: string[][]): string[] =>
      lintAnswer(offer, { ...answer, media: [first, bare], bundles }).map(({ rule }) => rule);
    assert.deepEqual(rules([[first.mid!, second.mid!]]), []);
    const missing = ['rtcp-mux', 'ice-ufrag', 'ice-pwd', 'fingerprint', 'fingerprint-hash'];
    assert.deepEqual(rules([[first.mid!]]), ['bundle', ...missing, 'setup']);
    assert.deepEqual(rules([[second.mid!, first.mid!]]), [...missing, 'setup']);
  });

  it('a rejected media description needs nothing', () => {
    assert.deepEqual(lintAnswer(offer, answerWith({ port: 0, fingerprints: [], rtcpMux: false })), []);
    const { mid: _mid, ...nameless } = { ...answer.media[1]!, port: 0 };
    const bundles = [[answer.media[0]!.mid!]];
    assert.deepEqual(lintAnswer(offer, { ...answer, media: [answer.media[0]!, nameless], bundles }), []);
  });
});
