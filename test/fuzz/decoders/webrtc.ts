import { createHmac } from 'node:crypto';
import { nodeSrtpCrypto } from '../../../drivers/webrtc/lite/crypto.ts';
import { DtlsClient } from '../../../protocols/dtls/client.ts';
import { HandshakeType } from '../../../protocols/dtls/constants.ts';
import type { DtlsCrypto } from '../../../protocols/dtls/crypto.ts';
import type { DtlsEndpoint, DtlsOptions } from '../../../protocols/dtls/endpoint.ts';
import {
  decodeCertificate,
  decodeCertificateRequest,
  decodeCertificateVerify,
  decodeClientHello,
  decodeClientKeyExchange,
  decodeHelloVerifyRequest,
  decodeServerHello,
  decodeServerKeyExchange,
} from '../../../protocols/dtls/messages.ts';
import { Reassembler } from '../../../protocols/dtls/reassembly.ts';
import { isDtls, recordsOf } from '../../../protocols/dtls/record.ts';
import { DtlsServer } from '../../../protocols/dtls/server.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';
import { H264Depacketizer } from '../../../protocols/rtp/h264-depacketizer.ts';
import { H264Packetizer } from '../../../protocols/rtp/h264-packetizer.ts';
import { encodeRtp, RtpPacket } from '../../../protocols/rtp/packet.ts';
import { encodeRtcp, parseRtcp } from '../../../protocols/rtp/rtcp.ts';
import { SequenceTracker } from '../../../protocols/rtp/sequence.ts';
import { SrtpTransform } from '../../../protocols/srtp/keys.ts';
import { SrtcpReceiver, SrtcpSender } from '../../../protocols/srtp/rtcp.ts';
import { rtpPayloadStart, SrtpReceiver, SrtpSender } from '../../../protocols/srtp/rtp.ts';
import { decodeXorAddress } from '../../../protocols/stun/address.ts';
import {
  decodeStun,
  encodeStun,
  StunClass,
  StunMethod,
  verifyIntegrity,
} from '../../../protocols/stun/message.ts';
import { clientIdentity, Pair } from '../../protocols/dtls/pair.ts';
import { sourceFrames } from '../../protocols/rtp/support.ts';
import { Arrival, type Decoder } from '../decoder.ts';

const packets = (): Uint8Array[] => {
  const packetizer = new H264Packetizer({ ssrc: 1, payloadType: 102, sequence: 0 }, { mtu: 200 });
  const media = sourceFrames(2).flatMap(({ nals, timestamp }) => packetizer.packetize(nals, timestamp * 90));
  const extensions = [{ id: 1, value: Uint8Array.of(1, 2, 3) }];
  const head = { payloadType: 102, sequence: 3, timestamp: 4, ssrc: 1, extensions };
  return [...media.slice(0, 30), encodeRtp(head, Uint8Array.of(0x65, 0x88, 1), 7)];
};

/** Holds what comes to the contract of a sink. */
function strictSink(): MediaSink {
  let open = false;
  return {
    begin() {
      if (open) throw new Error('begin within begin');
      open = true;
    },
    data(type, bytes, start, end) {
      const inside = start >= 0 && start <= end && end <= bytes.length;
      if (!open || type !== MediaType.video || !inside) throw new Error(`data ${start} to ${end}`);
    },
    end() {
      if (!open) throw new Error('end without begin');
      open = false;
    },
  };
}

const rtp: Decoder = {
  name: 'rtp',
  arrival: Arrival.datagrams,
  seeds: packets,
  decode(datagrams) {
    const tracker = new SequenceTracker(90_000);
    const depacketizer = new H264Depacketizer(strictSink());
    const packet = new RtpPacket();
    for (const bytes of datagrams) {
      packet.read(bytes);
      packet.extensions(() => {});
      tracker.push(packet.sequence, packet.timestamp, 0);
      if (packet.ssrc % 5 === 0) depacketizer.lost();
      depacketizer.push(packet, 0);
    }
    if (!(tracker.lost >= 0 && Number.isFinite(tracker.jitter))) throw new Error('figures');
  },
};

const report = {
  ...{ ssrc: 1, fractionLost: 2, lost: -3, highestSequence: 4, jitter: 5 },
  ...{ lastSr: 6, delaySinceLastSr: 7 },
};

const reports = (): Uint8Array[] => [
  encodeRtcp([
    { type: 'receiver-report', ssrc: 1, reports: [report, report] },
    { type: 'source-description', chunks: [{ ssrc: 1, cname: 'someone' }] },
    { type: 'nack', ssrc: 1, mediaSsrc: 2, sequences: [1, 2, 3, 40] },
  ]),
  encodeRtcp([{ type: 'picture-loss', ssrc: 1, mediaSsrc: 2 }]),
  encodeRtcp([{ type: 'goodbye', ssrcs: [1, 2, 3] }]),
];

const rtcp: Decoder = {
  name: 'rtcp',
  arrival: Arrival.whole,
  seeds: reports,
  decode([bytes]) {
    parseRtcp(bytes!);
  },
};

const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array => createHmac('sha1', key).update(data).digest();
const PASSWORD = new Uint8Array(Buffer.from('password'));
const TRANSACTION = Uint8Array.from({ length: 12 }, (_, index) => index);

const stun: Decoder = {
  name: 'stun',
  arrival: Arrival.whole,
  seeds: () => {
    const integrity = { key: PASSWORD, hmac };
    const fields = { method: StunMethod.binding, transactionId: TRANSACTION };
    const request = { ...fields, class: StunClass.request, username: 'a:b', priority: 1, useCandidate: true };
    return [
      encodeStun({ ...request, iceControlling: 7n, software: 'x' }, integrity),
      encodeStun(
        { ...fields, class: StunClass.success, xorMappedAddress: { address: '127.0.0.1', port: 9 } },
        integrity,
      ),
      encodeStun({ ...fields, class: StunClass.error, errorCode: { code: 487, reason: 'Role Conflict' } }),
    ];
  },
  // Most changes do not fit the fingerprint.
  readPerThousand: 1,
  decode([bytes]) {
    if (bytes!.length > 0) {
      // Attributes are read without their message, too.
      attempt(() => decodeXorAddress(bytes!.subarray(0, 20), TRANSACTION));
    }
    verifyIntegrity(bytes!, decodeStun(bytes!), PASSWORD, hmac);
  },
};

/** What is typed is for the next reader to say. */
function attempt(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ProtocolError') throw error;
  }
}

/** What a client and a server of ours send each other. */
let flights: { readonly client: readonly Uint8Array[]; readonly server: readonly Uint8Array[] } | undefined;
function handshake() {
  if (flights === undefined) {
    const pair = new Pair();
    pair.run();
    flights = { client: pair.clientSide.sent, server: pair.serverSide.sent };
  }
  return flights;
}

const DECODERS: Readonly<Record<number, (body: Uint8Array) => unknown>> = {
  [HandshakeType.clientHello]: decodeClientHello,
  [HandshakeType.serverHello]: decodeServerHello,
  [HandshakeType.helloVerifyRequest]: decodeHelloVerifyRequest,
  [HandshakeType.certificate]: decodeCertificate,
  [HandshakeType.serverKeyExchange]: decodeServerKeyExchange,
  [HandshakeType.certificateRequest]: decodeCertificateRequest,
  [HandshakeType.certificateVerify]: decodeCertificateVerify,
  [HandshakeType.clientKeyExchange]: decodeClientKeyExchange,
};

const dtlsMessages: Decoder = {
  name: 'dtls-messages',
  arrival: Arrival.datagrams,
  seeds: () => [...handshake().client, ...handshake().server],
  decode(datagrams) {
    for (const datagram of datagrams) {
      const reassembler = new Reassembler();
      if (!isDtls(datagram)) continue;
      for (const { epoch, fragment } of recordsOf(datagram)) {
        reassembler.next = sequenceIn(fragment);
        reassembler.push(fragment, epoch);
        for (let message = reassembler.take(); message; message = reassembler.take()) {
          DECODERS[message.type]?.(message.body);
        }
      }
    }
  },
};

/** message_seq of the first fragment of a record. */
function sequenceIn(fragment: Uint8Array): number {
  return fragment.length < 6 ? 0 : (fragment[4]! << 8) | fragment[5]!;
}

/** Shapes without cost, of which everything is genuine: so the whole of a handshake is reached. */
const digest = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(32).fill(parts.reduce((sum, part) => sum + part.length, 0));
const crypto: DtlsCrypto = {
  random: (length) => new Uint8Array(length).fill(3),
  sha256: (parts) => digest(...parts),
  hmacSha256: (key, data) => digest(key, data),
  fingerprint: () => FINGERPRINT,
  aes128Gcm: () => ({
    seal: (_nonce, _additional, plain) => {
      const sealed = new Uint8Array(plain.length + 16);
      sealed.set(plain);
      return sealed;
    },
    open: (_nonce, _additional, sealed) => (sealed.length < 16 ? undefined : sealed.slice(0, -16)),
  }),
  keyShare: (group) => ({
    publicKey: new Uint8Array(group === 29 ? 32 : 65).fill(4),
    derive: () => digest(),
  }),
  verify: () => true,
};
const FINGERPRINT = new Uint8Array(32).fill(0xab);
const fingerprint = { hash: 'sha-256', value: new Array(32).fill('AB').join(':') } as const;

/** What comes from a peer of whom nothing is known; an error of ours ends the handshake and has its code. */
function converse(datagrams: readonly Uint8Array[], open: (options: DtlsOptions) => DtlsEndpoint): void {
  const endpoint = open({ crypto, identity: { ...clientIdentity, sign: () => digest() }, fingerprint });
  let now = 0;
  for (const datagram of datagrams) endpoint.receive(datagram, ++now);
  if (endpoint.deadline !== Number.POSITIVE_INFINITY) endpoint.tick(endpoint.deadline);
  endpoint.close();
}

const handler = { send() {}, connected() {}, ended() {} };

const dtlsServer: Decoder = {
  name: 'dtls-server',
  arrival: Arrival.datagrams,
  seeds: () => handshake().client,
  decode: (datagrams) => converse(datagrams, (options) => new DtlsServer(options, handler)),
};

const dtlsClient: Decoder = {
  name: 'dtls-client',
  arrival: Arrival.datagrams,
  seeds: () => handshake().server,
  decode: (datagrams) =>
    converse(datagrams, (options) => {
      const client = new DtlsClient(options, handler);
      client.start(0);
      return client;
    }),
};

const keys = { transform: SrtpTransform.cm, key: new Uint8Array(16), salt: new Uint8Array(14) };
const gcmKeys = { transform: SrtpTransform.gcm, key: new Uint8Array(16), salt: new Uint8Array(12) };

const srtp: Decoder = {
  name: 'srtp',
  arrival: Arrival.datagrams,
  seeds: () =>
    [keys, gcmKeys].flatMap((one) => {
      const sender = new SrtpSender(one, nodeSrtpCrypto);
      return packets().map((packet) => sender.protect(packet));
    }),
  decode(datagrams) {
    for (const receiver of [
      new SrtpReceiver(keys, nodeSrtpCrypto),
      new SrtpReceiver(gcmKeys, nodeSrtpCrypto),
    ]) {
      for (const datagram of datagrams) {
        const bytes = datagram.slice();
        const payloadStart = rtpPayloadStart(bytes, 0, bytes.length);
        const peeked = receiver.peek(bytes, 0, bytes.length, payloadStart, 20);
        if (peeked >= 0) receiver.unpeek(bytes, payloadStart, peeked);
        const end = receiver.unprotect(bytes, 0, bytes.length, payloadStart);
        if (end > bytes.length) throw new RangeError(`${end} of ${bytes.length}`);
      }
    }
  },
};

const srtcp: Decoder = {
  name: 'srtcp',
  arrival: Arrival.datagrams,
  seeds: () =>
    [keys, gcmKeys].flatMap((one) => {
      const sender = new SrtcpSender(one, nodeSrtpCrypto);
      return reports().map((packet) => sender.protect(packet));
    }),
  decode(datagrams) {
    for (const receiver of [
      new SrtcpReceiver(keys, nodeSrtpCrypto),
      new SrtcpReceiver(gcmKeys, nodeSrtpCrypto),
    ]) {
      for (const datagram of datagrams) {
        const plain = receiver.unprotect(datagram);
        if (plain !== undefined) parseRtcp(plain);
      }
    }
  },
};

export const webrtcDecoders = [rtp, rtcp, stun, dtlsMessages, dtlsServer, dtlsClient, srtp, srtcp];
