/** A WHEP and WHIP server of the test's own: node-datachannel behind node:http. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { after, type TestContext } from 'node:test';
import { Audio, PeerConnection, type Track, Video } from 'node-datachannel';
import type { Client, Closed, HttpExchange } from '../../../drivers/client.ts';
import { AUDIO_PAYLOAD_TYPE, H264_FMTP, VIDEO_PAYLOAD_TYPE } from '../../../drivers/webrtc/contract.ts';
import { rtpSent } from '../../../drivers/webrtc/figures.ts';
import { RtpSender } from '../../../drivers/webrtc/sender.ts';
import { H264Packetizer } from '../../../protocols/rtp/h264-packetizer.ts';
import { encodeRtp, isRtcp } from '../../../protocols/rtp/packet.ts';
import { encodeRtcp, type OtherRtcp, parseRtcp, type RtcpMessage } from '../../../protocols/rtp/rtcp.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import { sourceFrames } from '../../protocols/rtp/support.ts';
import { Witness } from '../support/observe.ts';

const VIDEO_SSRC = 0x1000_0001;
const AUDIO_SSRC = 0x1000_0002;
const PROBE_MS = 20;
const HEARD_MS = 8000;
/** After the last frame, for what was lost of it. */
const LAST_NACKS_MS = 600;

/**
 * The library's threads keep the process alive, and its `cleanup()` ends it with a SIGSEGV where a connection is still on its
 * way to being closed (0.33.4). Every test is over here; the runner has a moment to say so.
 */
after(() => {
  setTimeout(() => process.stdout.write('', () => process.exit()), 200);
});

/** The server's side of one session. */
export class Peer {
  readonly connection: PeerConnection;
  readonly offer: string;
  /** RTP of the client, in the order of arrival. */
  readonly rtp: Uint8Array[] = [];
  readonly rtcp: (RtcpMessage | OtherRtcp)[] = [];
  onRtp: (bytes: Uint8Array) => void = () => {};
  readonly #tracks = new Map<string, Track>();
  /** Of the next frames; SRTP lets no number pass twice. */
  #sequence = 65_500;
  #onNack: (sequences: readonly number[]) => void = () => {};
  /** The bridge forgets what JavaScript forgets. */
  static readonly alive = new Set<Peer>();

  constructor(offer: string) {
    this.offer = offer;
    this.connection = new PeerConnection('test', {
      iceServers: [],
      bindAddress: '127.0.0.1',
      disableAutoNegotiation: true,
    });
    Peer.alive.add(this);
  }

  async answer(): Promise<string> {
    const { connection } = this;
    const gathered = gathering(connection);
    for (const media of parseSdp(this.offer).media) {
      const direction = media.direction === 'recvonly' ? 'SendOnly' : 'RecvOnly';
      const mid = media.mid!;
      let description: Video | Audio;
      if (media.kind === 'video') {
        description = new Video(mid, direction);
        description.addH264Codec(VIDEO_PAYLOAD_TYPE, H264_FMTP);
        if (direction === 'SendOnly') description.addSSRC(VIDEO_SSRC, 'test');
      } else {
        description = new Audio(mid, direction);
        description.addOpusCodec(AUDIO_PAYLOAD_TYPE);
        if (direction === 'SendOnly') description.addSSRC(AUDIO_SSRC, 'test');
      }
      const track = connection.addTrack(description);
      track.onMessage((bytes) => this.#received(bytes));
      this.#tracks.set(media.kind, track);
    }
    connection.setRemoteDescription(this.offer, 'offer');
    connection.setLocalDescription('answer');
    await gathered;
    return connection.localDescription()!.sdp;
  }

  #received(bytes: Uint8Array): void {
    if (!isRtcp(bytes)) {
      this.rtp.push(bytes);
      this.onRtp(bytes);
      return;
    }
    const messages = parseRtcp(bytes);
    this.rtcp.push(...messages);
    for (const message of messages) if (message.type === 'nack') this.#onNack(message.sequences);
  }

  /** Tracks open after the connection is made, and take nothing before. */
  get open(): boolean {
    return this.#tracks.size > 0 && [...this.#tracks.values()].every((track) => track.isOpen());
  }

  send(kind: 'video' | 'audio', bytes: Uint8Array): boolean {
    const track = this.#tracks.get(kind);
    return track?.isOpen() === true && track.sendMessageBinary(Buffer.from(bytes));
  }

  /**
   * Resolves when the client hears us. A connection is `connected` before its tracks are open, at either end, and what is
   * sent until then is lost without a trace. So packets without a payload are sent until the first of them is answered:
   * a player without a keyframe asks for one when it sees a marker.
   */
  async heard(): Promise<void> {
    for (let waited = 0; waited < HEARD_MS; waited += PROBE_MS) {
      const header = { payloadType: VIDEO_PAYLOAD_TYPE, marker: true, timestamp: 0, ssrc: VIDEO_SSRC };
      const packet = encodeRtp({ ...header, sequence: this.#sequence }, new Uint8Array(0));
      if (this.send('video', packet)) this.#sequence = (this.#sequence + 1) & 0xffff;
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
      if (this.rtcp.some(({ type }) => type === 'picture-loss')) return;
    }
    throw new Error(`no answer to RTP within ${HEARD_MS} ms`);
  }

  /**
   * Sends stamped frames of the fixture, one every `intervalMs`, and answers NACKs when they come.
   * @param drop whether this packet, counted from 0 on, is lost on its first way.
   */
  async sendFrames(
    count: number,
    drop: (packet: number) => boolean = () => false,
    intervalMs = 10,
  ): Promise<number> {
    const figures = rtpSent();
    let sent = 0;
    let dropped = 0;
    const source = {
      ssrc: VIDEO_SSRC,
      payloadType: VIDEO_PAYLOAD_TYPE,
      sequence: this.#sequence,
      base: 5,
      clockRate: 90_000,
    };
    let first = true;
    const sender = new RtpSender(source, figures, (packet) => {
      if (first && drop(sent++)) {
        dropped++;
        return true;
      }
      return this.send('video', packet);
    });
    const packetizer = new H264Packetizer(sender);
    this.#onNack = (sequences) => {
      first = false;
      for (const sequence of sequences) sender.again(sequence);
      first = true;
    };
    for (const [index, { nals, timestamp }] of sourceFrames(count).entries()) {
      for (const packet of packetizer.packetize(nals, sender.timestamp(timestamp))) sender.send(packet);
      const audio = {
        payloadType: AUDIO_PAYLOAD_TYPE,
        sequence: index,
        timestamp: index * 960,
        ssrc: AUDIO_SSRC,
      };
      this.send('audio', encodeRtp(audio, Uint8Array.of(0xf8, 0xff, 0xfe)));
      await new Promise((resolve) => setTimeout(resolve, intervalMs));
    }
    this.#sequence = sender.sequence;
    await new Promise((resolve) => setTimeout(resolve, LAST_NACKS_MS));
    return dropped;
  }

  /** A sender report that tells nothing. */
  report(): boolean {
    const nothing = { ntpSeconds: 0, ntpFraction: 0, rtpTimestamp: 0, packets: 0, octets: 0, reports: [] };
    return this.feedback([{ type: 'sender-report', ssrc: VIDEO_SSRC, ...nothing }]);
  }

  feedback(messages: RtcpMessage[]): boolean {
    return this.send('video', encodeRtcp(messages));
  }

  close(): void {
    Peer.alive.delete(this);
    this.connection.close();
  }
}

function gathering(connection: PeerConnection): Promise<void> {
  return new Promise((resolve) => {
    connection.onGatheringStateChange((state) => {
      if (state === 'complete') setImmediate(resolve);
    });
  });
}

export type Respond = (request: IncomingMessage, response: ServerResponse, offer: string) => void;

export class RtcServer {
  port = 0;
  readonly peers: Peer[] = [];
  readonly requests: {
    method: string;
    url: string;
    authorization: string | undefined;
    type: string | undefined;
  }[] = [];
  /** Instead of an answer. */
  respond: Respond | undefined;
  /** What becomes of the answer on its way. */
  rewrite: (answer: string) => string = (answer) => answer;

  static async start(t: TestContext): Promise<RtcServer> {
    const rtc = new RtcServer();
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => void rtc.#handle(request, response, Buffer.concat(parts).toString()));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(async () => {
      for (const peer of rtc.peers) peer.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    rtc.port = (server.address() as { port: number }).port;
    return rtc;
  }

  async #handle(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const { method = '', url = '', headers } = request;
    const { authorization, 'content-type': type } = headers;
    this.requests.push({ method, url, authorization, type });
    if (method === 'DELETE') response.writeHead(200, { 'Content-Length': 0 }).end();
    else if (this.respond !== undefined) this.respond(request, response, body);
    else await this.accept(response, body);
  }

  async accept(response: ServerResponse, offer: string, headers: Record<string, string> = {}): Promise<void> {
    const peer = new Peer(offer);
    this.peers.push(peer);
    const answer = this.rewrite(await peer.answer());
    const location = `/session/${this.peers.length}?token=x`;
    response
      .writeHead(201, { 'Content-Type': 'application/sdp', Location: location, ...headers })
      .end(answer);
  }

  get deleted(): string[] {
    return this.requests.filter(({ method }) => method === 'DELETE').map(({ url }) => url);
  }
}

export class RtcWitness extends Witness {
  readonly exchanges: HttpExchange[] = [];
  readonly problems: string[] = [];

  onExchange(_client: Client, exchange: HttpExchange): void {
    this.exchanges.push(exchange);
  }

  onProblem(_client: Client, code: string): void {
    this.problems.push(code);
  }

  async end(ms?: number): Promise<Closed> {
    return await this.closed(ms);
  }
}
