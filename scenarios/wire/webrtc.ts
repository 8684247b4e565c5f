/** WebRTC through a link of the check's own, and offers without a session behind them. */
import type { OpenTransport } from '../../drivers/webrtc/contract.ts';
import { openDatachannel } from '../../drivers/webrtc/datachannel/transport.ts';
import type { Cluster } from '../../lab/cluster.ts';
import type { CheckContext } from '../check.ts';

/** In the options that an SRS tells in its API: what goes between RTMP and WebRTC was left out of it. */
const WITHOUT_BRIDGE = '--ffmpeg-fit=off';

const LOOPBACK = '127.0.0.1';

/** A transport whose packets all go to `address`: the answer's candidates name it, and the offer's name nobody. */
export function throughLine(address: { readonly host: string; readonly port: number }): OpenTransport {
  return (setup, observer) => {
    const transport = openDatachannel(setup, observer);
    return new Proxy(transport, {
      get(target, name) {
        // The server learns where the packets come from, which is the line.
        if (name === 'offer') return async () => withoutCandidates(await target.offer());
        if (name === 'setAnswer') return (sdp: string) => target.setAnswer(redirected(sdp, address));
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
}

export function withoutCandidates(sdp: string): string {
  return sdp.replace(/^a=candidate:.*\r?\n/gm, '');
}

/** Address and port of every candidate (RFC 8839 section 5.1) are others. */
export function redirected(sdp: string, { host, port }: { host: string; port: number }): string {
  return sdp.replace(/^(a=candidate:\S+ \d+ \S+ \d+) \S+ \d+ /gm, `$1 ${host} ${port} `);
}

/** RTP, and neither RTCP, STUN nor DTLS (RFC 7983; RFC 5761 section 4). */
export function isRtp(datagram: Uint8Array): boolean {
  if (datagram.length < 12 || datagram[0]! >> 6 !== 2) return false;
  const type = datagram[1]! & 0x7f;
  return type < 64 || type > 95;
}

/** What a browser would offer, of a client that then goes no further. */
export async function makeOffer(use: 'whip' | 'whep'): Promise<string> {
  const nothing = { onConnected() {}, onRtp() {}, onRtcp() {}, onGone() {} };
  const sends = use === 'whip';
  const transport = openDatachannel(
    {
      direction: sends ? 'sendonly' : 'recvonly',
      media: [
        { kind: 'video', ...(sends && { ssrc: 1001 }) },
        { kind: 'audio', ...(sends && { ssrc: 1002 }) },
      ],
      cname: 'liveproof',
      localAddress: LOOPBACK,
    },
    nothing,
  );
  try {
    return await transport.offer();
  } finally {
    transport.close();
  }
}

/** Why there is no way between RTMP and WebRTC at a node; undefined when there is. Behind a proxy, it is the origin's. */
export async function bridgeMissing(t: CheckContext): Promise<string | undefined> {
  const { host, port } = mediaApi(t.cluster) ?? t.cluster.entry('play', 'webrtc');
  const { status, body } = await t.http(`http://${host}:${port}/api/v1/features`, { label: 'features' });
  const told = status === 200 ? new TextDecoder().decode(body) : '';
  if (!told.includes(WITHOUT_BRIDGE)) return undefined;
  return `this SRS was built with ${WITHOUT_BRIDGE}: nothing goes between RTMP and WebRTC`;
}

function mediaApi({ nodes }: Cluster): { readonly host: string; readonly port: number } | undefined {
  for (const { spec, host, ports } of nodes.values()) {
    if (spec.rtc && ports.api !== undefined) return { host, port: ports.api };
  }
  return undefined;
}

/** Publish URL for WHEP players: of RTMP, or of WHIP where that does not reach them. */
export async function sourceUrl(t: CheckContext, stream: string): Promise<string> {
  const missing = await bridgeMissing(t);
  return missing === undefined ? t.publishUrl(stream) : t.publishUrl(stream, undefined, 'webrtc');
}
