/**
 * WebRTC by libdatachannel: full ICE, DTLS and SRTP in native threads, one JavaScript call per packet.
 *
 * With more than one m= line, libdatachannel hands on RTP of those SSRCs only that the answer names (a=ssrc), and RTCP
 * that speaks of an SSRC that it knows. Its callbacks come outside of Node's tick: what they put on the queue of
 * `process.nextTick` waits for the next event, whenever that is. So all but packets goes through `setImmediate`.
 */
import type { PeerConnection, Track } from 'node-datachannel';
import { isRtcp } from '../../../protocols/rtp/packet.ts';
import { wallClock } from '../../measure/clock.ts';
import {
  AUDIO_PAYLOAD_TYPE,
  H264_FMTP,
  type OpenTransport,
  type TransportObserver,
  type TransportSetup,
  TransportState,
  VIDEO_PAYLOAD_TYPE,
  type WebRtcTransport,
} from '../contract.ts';
import { type Library, loadLibrary } from './library.ts';

/**
 * The garbage collector closes tracks and connections that nobody refers to, callbacks or not (facts/ecosystem.md D.2):
 * they are referred to from here until they are closed. So they are by callbacks that name them (0.33.4), as long as these
 * do.
 */
const alive = new Set<DatachannelTransport>();

const GATHERING_POLL_MS = 5;

export const openDatachannel: OpenTransport = (setup, observer) => new DatachannelTransport(setup, observer);

class DatachannelTransport implements WebRtcTransport {
  state: TransportState = TransportState.idle;
  readonly #setup: TransportSetup;
  readonly #observer: TransportObserver;
  #connection: PeerConnection | undefined;
  readonly #tracks: Track[] = [];

  constructor(setup: TransportSetup, observer: TransportObserver) {
    this.#setup = setup;
    this.#observer = observer;
  }

  async offer(): Promise<string> {
    const library = await loadLibrary();
    if (this.state !== TransportState.idle) throw new Error('the transport was closed');
    this.state = TransportState.connecting;
    const { localAddress } = this.#setup;
    const connection = new library.PeerConnection('liveproof', {
      iceServers: [],
      disableAutoNegotiation: true,
      forceMediaTransport: true,
      ...(localAddress !== undefined && { bindAddress: localAddress }),
    });
    this.#connection = connection;
    alive.add(this);
    for (const mid of this.#setup.media.keys()) this.#addTrack(library, connection, mid);
    connection.onStateChange((state) => setImmediate(() => this.#changed(state)));
    connection.setLocalDescription('offer');
    // Host candidates alone: as a rule they are there at once.
    while (this.#connection?.gatheringState() !== 'complete' && this.#connection !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, GATHERING_POLL_MS));
    }
    const description = this.#connection?.localDescription();
    if (description === null || description === undefined) throw new Error('the transport was closed');
    return withoutCandidates(description.sdp);
  }

  #addTrack(library: Library, connection: PeerConnection, index: number): void {
    const { kind, ssrc } = this.#setup.media[index]!;
    const direction = this.#setup.direction === 'recvonly' ? 'RecvOnly' : 'SendOnly';
    const mid = String(index);
    let media: InstanceType<Library['Video']> | InstanceType<Library['Audio']>;
    if (kind === 'video') {
      media = new library.Video(mid, direction);
      media.addH264Codec(VIDEO_PAYLOAD_TYPE, H264_FMTP);
    } else {
      media = new library.Audio(mid, direction);
      media.addOpusCodec(AUDIO_PAYLOAD_TYPE);
    }
    const { cname } = this.#setup;
    if (ssrc !== undefined) media.addSSRC(ssrc, cname, cname, `${cname}-${kind}`);
    const track = connection.addTrack(media);
    track.onMessage((bytes) => this.#received(bytes));
    // A track that was not closed, or whose closing nobody is told of, keeps the process alive (0.33.4).
    track.onClosed(() => {});
    track.onOpen(() => setImmediate(() => this.#opened()));
    this.#tracks.push(track);
  }

  #received(bytes: Uint8Array): void {
    if (this.state === TransportState.closed) return;
    const now = wallClock.now();
    this.#setup.tape?.packet('received', 'rtp', bytes);
    if (isRtcp(bytes)) this.#observer.onRtcp(bytes, 0, bytes.length, now);
    else this.#observer.onRtp(bytes, 0, bytes.length, now);
  }

  setAnswer(sdp: string): void {
    this.#connection?.setRemoteDescription(sdp, 'answer');
  }

  #changed(state: string): void {
    if (this.state === TransportState.closed) return;
    const wasConnected = this.state === TransportState.connected;
    if (state === 'connected') this.#opened();
    else if (state === 'failed') this.#gone(wasConnected ? 'webrtc.lost' : 'webrtc.failed', state);
    else if (state === 'disconnected') this.#gone('webrtc.lost', state);
    else if (state === 'closed') this.#gone('webrtc.closed', state);
  }

  /** Tracks open after the connection is made, and take nothing before. */
  #opened(): void {
    if (this.state !== TransportState.connecting || this.#connection?.state() !== 'connected') return;
    if (!this.#tracks.every((track) => track.isOpen() || track.isClosed())) return;
    this.state = TransportState.connected;
    this.#observer.onConnected();
  }

  #gone(code: Parameters<TransportObserver['onGone']>[0], state: string): void {
    this.close();
    this.#observer.onGone(code, `libdatachannel says ${state}`);
  }

  sendRtp(packet: Uint8Array): boolean {
    return this.#send((packet[1]! & 0x7f) === AUDIO_PAYLOAD_TYPE ? 'audio' : 'video', packet);
  }

  sendRtcp(packet: Uint8Array): boolean {
    return this.#send(undefined, packet);
  }

  #send(kind: string | undefined, packet: Uint8Array): boolean {
    if (this.state !== TransportState.connected) return false;
    const index = this.#setup.media.findIndex((media) => kind === undefined || media.kind === kind);
    const track = this.#tracks[index];
    if (track === undefined || !track.isOpen()) return false;
    this.#setup.tape?.packet('sent', 'rtp', packet);
    return track.sendMessageBinary(Buffer.from(packet.buffer, packet.byteOffset, packet.length));
  }

  close(): void {
    if (this.state === TransportState.closed) return;
    this.state = TransportState.closed;
    alive.delete(this);
    for (const track of this.#tracks) track.close();
    this.#connection?.close();
    this.#connection = undefined;
    this.#tracks.length = 0;
  }
}

/**
 * A server with full ICE that knows our candidates checks them before we have its answer. The pair is then connected in
 * the middle of `setRemoteDescription`, before libdatachannel 0.24 knows the fingerprint, and DTLS fails ("Got a remote
 * candidate without ICE transport"). Without them it learns of us by our own checks (RFC 8445 7.3.1.3).
 */
function withoutCandidates(sdp: string): string {
  return sdp.replaceAll(/^a=(?:candidate:.*|end-of-candidates)\r?\n/gm, '');
}
