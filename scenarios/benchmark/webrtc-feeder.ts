/**
 * The server of the WHEP benchmark: signalling over HTTP, ICE lite, DTLS and SRTP for every player on one UDP port, as
 * SRS has it, and one stamped stream in a few phases: H.264 and 50 Opus packets a second.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { wallClock } from '../../drivers/measure/clock.ts';
import { MediaSource, SourceCursor } from '../../drivers/measure/source.ts';
import type { Endpoint } from '../../drivers/udp/contract.ts';
import { openDatagramSocket } from '../../drivers/udp/open.ts';
import { hmacSha1, identityOfProcess, nodeCrypto, nodeSrtpCrypto } from '../../drivers/webrtc/lite/crypto.ts';
import type { FingerprintHash } from '../../protocols/dtls/crypto.ts';
import { isDtls } from '../../protocols/dtls/record.ts';
import { DtlsServer } from '../../protocols/dtls/server.ts';
import { AVC_HEADER_SIZE, compositionTime, isKeyframe } from '../../protocols/flv/body.ts';
import { splitAvcc } from '../../protocols/h264/avcc.ts';
import { parseAvcConfig } from '../../protocols/h264/parameter-sets.ts';
import { MediaType } from '../../protocols/media.ts';
import { H264Packetizer, type RtpSource } from '../../protocols/rtp/h264-packetizer.ts';
import { encodeRtp } from '../../protocols/rtp/packet.ts';
import { Direction, type SdpMedia, transportOf } from '../../protocols/sdp/description.ts';
import { parseSdp } from '../../protocols/sdp/parse.ts';
import { writeSdp } from '../../protocols/sdp/write.ts';
import { SrtpTransform } from '../../protocols/srtp/keys.ts';
import { SrtpSender } from '../../protocols/srtp/rtp.ts';
import { decodeStun, encodeStun, isStun, StunClass, StunMethod } from '../../protocols/stun/message.ts';

export interface FromWebRtcFeeder {
  readonly port: number;
}

const HOST = '127.0.0.1';
/** Frames of so many streams are spread over a frame's time, so that the players are not all in step. */
const PHASES = 10;
const PHASE_MS = 4;
const TICK_MS = 2;
const BUFFER_BYTES = 4 * 1024 * 1024;
const OPUS_MS = 20;
/** As an encoder sends at 40 kbit/s; only its first byte is looked at by anybody. */
const OPUS_FRAME = new Uint8Array(100).fill(0xf8);
const DTLS_TICK_MS = 100;

const socket = openDatagramSocket(
  { localAddress: HOST, receiveBufferBytes: BUFFER_BYTES },
  { onDatagram: (bytes, remote) => received(bytes.slice(), remote), onError() {} },
);
const source = MediaSource.load(process.argv[2]!);
const config = parseAvcConfig(
  source.headers.find(({ type }) => type === MediaType.video)!.body,
  AVC_HEADER_SIZE,
);

class Session {
  readonly id = randomBytes(8).toString('hex');
  readonly ufrag = randomBytes(4).toString('hex');
  readonly pwd = randomBytes(16).toString('hex');
  remote: Endpoint | undefined;
  readonly dtls: DtlsServer;
  srtp: SrtpSender | undefined;

  constructor(fingerprint: { hash: FingerprintHash; value: string }) {
    this.dtls = new DtlsServer(
      { crypto: nodeCrypto, identity: identityOfProcess(), fingerprint },
      {
        send: (bytes) => this.send(bytes),
        connected: () => {
          const { server } = this.dtls.srtpKeys();
          this.srtp = new SrtpSender({ transform: SrtpTransform.cm, ...server }, nodeSrtpCrypto);
          phases[joined++ % PHASES]!.sessions.add(this);
        },
        ended: () => this.close(),
      },
    );
  }

  send(bytes: Uint8Array): void {
    if (this.remote !== undefined) socket.send(bytes, this.remote);
  }

  stun(bytes: Uint8Array, remote: Endpoint): void {
    const { transactionId } = decodeStun(bytes);
    this.remote ??= remote;
    const answer = { class: StunClass.success, method: StunMethod.binding, transactionId };
    const key = Buffer.from(this.pwd);
    socket.send(encodeStun({ ...answer, xorMappedAddress: remote }, { key, hmac: hmacSha1 }), remote);
  }

  close(): void {
    sessions.delete(this.id);
    byUfrag.delete(this.ufrag);
    if (this.remote !== undefined) byRemote.delete(keyOf(this.remote));
    for (const phase of phases) phase.sessions.delete(this);
  }
}

class Phase {
  readonly sessions = new Set<Session>();
  readonly #cursor = new SourceCursor(source);
  readonly #origin: number;
  readonly #stream: number;
  readonly #video: RtpSource;
  readonly #audio: RtpSource;
  readonly #packetizer: H264Packetizer;
  #frames = 0;
  #opusAt = 0;

  constructor(index: number) {
    this.#stream = index + 1;
    this.#origin = performance.now() + index * PHASE_MS;
    this.#video = { ssrc: 1000 + index, payloadType: 102, sequence: 0 };
    this.#audio = { ssrc: 2000 + index, payloadType: 111, sequence: 0 };
    this.#packetizer = new H264Packetizer(this.#video);
  }

  send(): void {
    while (this.#origin + this.#cursor.timestamp <= performance.now()) {
      const { item, timestamp } = this.#cursor;
      const body = item.template?.write(this.#stream, this.#frames, wallClock.now());
      if (body !== undefined) {
        this.#frames++;
        const nals = splitAvcc(body, AVC_HEADER_SIZE, body.length, config.lengthSize);
        const unit = isKeyframe(body) ? [...config.sps, ...config.pps, ...nals] : nals;
        const at = (timestamp + compositionTime(body)) * 90;
        for (const packet of this.#packetizer.packetize(unit, at >>> 0)) this.#toAll(packet);
      }
      for (; this.#opusAt <= timestamp; this.#opusAt += OPUS_MS) this.#opus();
      this.#cursor.advance();
    }
  }

  #opus(): void {
    const header = { ...this.#audio, timestamp: (this.#opusAt * 48) >>> 0 };
    this.#audio.sequence = (this.#audio.sequence + 1) & 0xffff;
    this.#toAll(encodeRtp(header, OPUS_FRAME));
  }

  #toAll(packet: Uint8Array): void {
    for (const session of this.sessions) session.send(session.srtp!.protect(packet));
  }
}

const phases = Array.from({ length: PHASES }, (_, index) => new Phase(index));
const sessions = new Map<string, Session>();
const byUfrag = new Map<string, Session>();
const byRemote = new Map<string, Session>();
let joined = 0;

const keyOf = ({ address, port }: Endpoint): string => `${address}:${port}`;

function received(bytes: Uint8Array, remote: Endpoint): void {
  const key = keyOf(remote);
  let session = byRemote.get(key);
  if (isStun(bytes)) {
    if (session === undefined) {
      session = byUfrag.get(decodeStun(bytes).username?.split(':')[0] ?? '');
      if (session === undefined) return;
      byRemote.set(key, session);
    }
    session.stun(bytes, remote);
  } else if (session !== undefined && isDtls(bytes)) session.dtls.receive(bytes, performance.now());
}

function answer(offer: string, port: number): { session: Session; sdp: string } {
  const asked = parseSdp(offer);
  const [fingerprint] = transportOf(asked, asked.media[0]!).fingerprints;
  const session = new Session({
    hash: fingerprint!.algorithm as FingerprintHash,
    value: fingerprint!.value,
  });
  sessions.set(session.id, session);
  byUfrag.set(session.ufrag, session);
  const media = asked.media.map(
    (medium): SdpMedia => ({
      ...medium,
      candidates: [
        ...[{ foundation: '1', component: 1, transport: 'udp', priority: 2 ** 24, address: HOST, port }],
      ].map((candidate) => ({ ...candidate, type: 'host', extensions: [] })),
      port: 9,
      direction: Direction.sendonly,
    }),
  );
  const sdp = writeSdp({
    ...asked,
    origin: 'feeder 1 1 IN IP4 127.0.0.1',
    iceLite: true,
    fingerprints: [{ algorithm: 'sha-256', value: identityOfProcess().fingerprint }],
    setup: 'passive',
    iceUfrag: session.ufrag,
    icePwd: session.pwd,
    media,
  });
  return { session, sdp };
}

async function signal(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'DELETE') {
    sessions.get(request.url!.split('/').at(-1)!)?.close();
    response.end();
    return;
  }
  let offer = '';
  for await (const part of request.setEncoding('utf8')) offer += part;
  const { session, sdp } = answer(offer, socket.port);
  response
    .writeHead(201, { 'Content-Type': 'application/sdp', Location: `/sessions/${session.id}` })
    .end(sdp);
}

const server = createServer((request, response) => void signal(request, response));
setInterval(() => {
  for (const phase of phases) phase.send();
}, TICK_MS);
setInterval(() => {
  for (const { dtls } of sessions.values()) dtls.tick(performance.now());
}, DTLS_TICK_MS);
server.listen(0, HOST, () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ port } satisfies FromWebRtcFeeder);
});
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
