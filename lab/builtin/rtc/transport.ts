/**
 * ICE, DTLS and SRTP of one session, by libdatachannel, on the UDP port that all sessions of a node share.
 *
 * The library is told of one m= line only, whatever was offered: with one line it hands on all RTP and RTCP, whichever
 * SSRC it has, and sends what it is given. Which payload types there are is negotiated by us (negotiate.ts).
 *
 * Its callbacks come outside of Node's tick: what they put on the queue of `process.nextTick` waits for the next event,
 * whenever that is. So all but packets goes through `setImmediate`.
 */
import { randomBytes } from 'node:crypto';
import type { PeerConnection, Track } from 'node-datachannel';
import { isRtcp } from '../../../protocols/rtp/packet.ts';
import type { SdpCandidate, SdpFingerprint } from '../../../protocols/sdp/description.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import type { Library } from './library.ts';

export interface RtcTransportEvents {
  /** Once. Media may be sent from now on. */
  onConnected(): void;
  onRtp(packet: Buffer): void;
  onRtcp(packet: Buffer): void;
  /** Once, and the last call, unless `close` came first. */
  onGone(reason: string): void;
}

/** What the answer says of this side. */
export interface LocalTransport {
  readonly iceUfrag: string;
  readonly icePwd: string;
  readonly fingerprints: readonly SdpFingerprint[];
  /** active or passive, as the offer left it. */
  readonly setup: string;
  /** The node's host and nothing else. */
  readonly candidates: readonly SdpCandidate[];
}

/** The library binds no socket of its own, so this is only how long its thread may be kept from running. */
const GATHERING_MS = 5000;

/**
 * The library's own user fragment has 4 characters, the least of RFC 8839 section 5.4, and a session is found on the shared
 * port by that alone: of two that have the same one, which 1000 sessions do in 3 % of all cases, the second never connects.
 * 3 bytes make 4 characters.
 */
const UFRAG_BYTES = 9;
const PWD_BYTES = 18;

/** The garbage collector closes connections and tracks that nobody refers to, callbacks or not (facts/ecosystem.md D.2). */
const alive = new Set<RtcTransport>();

export class RtcTransport {
  readonly #connection: PeerConnection;
  readonly #track: Track;
  readonly #host: string;
  #connected = false;
  #closed = false;

  /** @param sends whether media goes to the peer; else it comes from there. */
  constructor(library: Library, host: string, port: number, sends: boolean, events: RtcTransportEvents) {
    this.#host = host;
    this.#connection = new library.PeerConnection('liveproof', {
      iceServers: [],
      bindAddress: host,
      portRangeBegin: port,
      portRangeEnd: port,
      enableIceUdpMux: true,
      disableAutoNegotiation: true,
      forceMediaTransport: true,
    });
    const video = new library.Video(ONLY_MID, sends ? 'SendOnly' : 'RecvOnly');
    video.addH264Codec(ONLY_PAYLOAD_TYPE);
    this.#track = this.#connection.addTrack(video);
    alive.add(this);
    this.#track.onMessage((packet) => {
      if (this.#closed) return;
      if (isRtcp(packet)) events.onRtcp(packet);
      else events.onRtp(packet);
    });
    // Without it, closed tracks keep the process alive (0.33.4).
    this.#track.onClosed(() => {});
    // Not the state of the connection: the track opens when there are keys for both directions.
    this.#track.onOpen(() =>
      setImmediate(() => {
        if (this.#closed || this.#connected) return;
        this.#connected = true;
        events.onConnected();
      }),
    );
    this.#connection.onStateChange((state) => {
      if (state !== 'failed' && state !== 'disconnected' && state !== 'closed') return;
      setImmediate(() => {
        if (this.#closed) return;
        this.close();
        events.onGone(`libdatachannel says ${state}`);
      });
    });
  }

  get connected(): boolean {
    return this.#connected && !this.#closed;
  }

  /**
   * @param offer written by `remoteOffer`.
   * @throws Error for an offer that the library does not take.
   */
  async answer(offer: string): Promise<LocalTransport> {
    const connection = this.#connection;
    await new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      connection.onGatheringStateChange((state) => {
        if (state !== 'complete') return;
        clearTimeout(timer);
        setImmediate(resolve);
      });
      connection.setRemoteDescription(offer, 'offer');
      connection.setLocalDescription('answer', {
        iceUfrag: iceChars(UFRAG_BYTES),
        icePwd: iceChars(PWD_BYTES),
      });
      timer = setTimeout(() => reject(new Error('no candidate')), GATHERING_MS);
    });
    const description = this.#closed ? null : connection.localDescription();
    if (description === null) throw new Error('the session was closed');
    const local = parseSdp(description.sdp);
    const media = local.media[0]!;
    return {
      iceUfrag: media.iceUfrag ?? local.iceUfrag ?? '',
      icePwd: media.icePwd ?? local.icePwd ?? '',
      fingerprints: media.fingerprints.length > 0 ? media.fingerprints : local.fingerprints,
      setup: media.setup ?? local.setup ?? 'active',
      candidates: media.candidates.filter(
        ({ transport, address, type }) => transport === 'udp' && type === 'host' && address === this.#host,
      ),
    };
  }

  /** RTP or RTCP, copied before this returns. False when it was not sent. */
  send(packet: Buffer): boolean {
    return this.connected && this.#track.isOpen() && this.#track.sendMessageBinary(packet);
  }

  /** Says goodbye (close_notify). Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    alive.delete(this);
    this.#track.close();
    this.#connection.close();
  }
}

/** The alphabet of base64 is that of ice-char. */
function iceChars(bytes: number): string {
  return randomBytes(bytes).toString('base64');
}

const ONLY_MID = '0';
const ONLY_PAYLOAD_TYPE = 96;

/** What the library is told that was offered: the client's side of ICE and DTLS, without its candidates. */
export interface RemoteTransport {
  readonly iceUfrag: string;
  readonly icePwd: string;
  readonly fingerprint: SdpFingerprint;
  readonly setup: string;
}

/**
 * The client's candidates are left out: its checks tell where it is (peer-reflexive, RFC 8445 section 7.3.1.3), as with
 * SRS, and no offer can make a node send to an address of the offerer's choice.
 */
export function remoteOffer(
  { iceUfrag, icePwd, fingerprint, setup }: RemoteTransport,
  receives: boolean,
): string {
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${ONLY_MID}`,
    `m=video 9 UDP/TLS/RTP/SAVPF ${ONLY_PAYLOAD_TYPE}`,
    'c=IN IP4 127.0.0.1',
    `a=mid:${ONLY_MID}`,
    `a=${receives ? 'recvonly' : 'sendonly'}`,
    'a=rtcp-mux',
    `a=rtpmap:${ONLY_PAYLOAD_TYPE} H264/90000`,
    `a=ice-ufrag:${iceUfrag}`,
    `a=ice-pwd:${icePwd}`,
    `a=fingerprint:${fingerprint.algorithm} ${fingerprint.value}`,
    `a=setup:${setup}`,
    '',
  ].join('\r\n');
}
