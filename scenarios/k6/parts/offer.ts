/** SDP offers of WHIP and WHEP clients that only signal: nothing connects to what they name. */
import { Direction, type SdpMedia } from '../../../protocols/sdp/description.ts';
import { writeSdp } from '../../../protocols/sdp/write.ts';

const VIDEO = 102;
const AUDIO = 111;
/** Constrained baseline 3.1, packetization-mode 1 (RFC 6184 section 8.1), as our swarm's clients offer. */
const H264_FMTP = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f';
const ICE_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * @param use publish: WHIP, play: WHEP.
 * @param random 0 to below 1.
 */
export function signallingOffer(use: 'publish' | 'play', random: () => number = Math.random): string {
  const text = (length: number): string =>
    Array.from({ length }, () => ICE_CHARACTERS[Math.floor(random() * ICE_CHARACTERS.length)]).join('');
  const fingerprint = Array.from({ length: 32 }, () =>
    Math.floor(random() * 256)
      .toString(16)
      .toUpperCase()
      .padStart(2, '0'),
  ).join(':');
  return writeSdp({
    origin: `liveproof ${1 + Math.floor(random() * 2 ** 31)} 1 IN IP4 127.0.0.1`,
    name: '-',
    bundles: [['0', '1']],
    iceLite: false,
    iceOptions: ['ice2'],
    fingerprints: [{ algorithm: 'sha-256', value: fingerprint }],
    setup: 'actpass',
    iceUfrag: text(8),
    icePwd: text(24),
    attributes: [],
    media: [media('video', 0, use, random), media('audio', 1, use, random)],
  });
}

function media(
  kind: 'video' | 'audio',
  mid: number,
  use: 'publish' | 'play',
  random: () => number,
): SdpMedia {
  const video = kind === 'video';
  const publishes = use === 'publish';
  return {
    kind,
    port: 9,
    protocol: 'UDP/TLS/RTP/SAVPF',
    formats: [String(video ? VIDEO : AUDIO)],
    connection: 'IN IP4 0.0.0.0',
    mid: String(mid),
    rtcpMux: true,
    rtcpRsize: false,
    fingerprints: [],
    direction: publishes ? Direction.sendonly : Direction.recvonly,
    candidates: [],
    codecs: [
      video
        ? {
            payloadType: VIDEO,
            name: 'H264',
            clockRate: 90_000,
            fmtp: H264_FMTP,
            feedback: ['nack', 'nack pli'],
          }
        : { payloadType: AUDIO, name: 'opus', clockRate: 48_000, channels: 2, feedback: [] },
    ],
    extmap: [],
    ssrcs: publishes ? [{ ssrc: 1 + Math.floor(random() * (2 ** 32 - 1)), cname: 'k6' }] : [],
    ...(publishes && { msid: `k6 k6-${kind}` }),
    attributes: [],
  };
}
