import { parseStreamId } from '../../../lab/builtin/srt/stream-id.ts';
import { SrtConnection } from '../../../protocols/srt/connection.ts';
import { decodeAck, decodeDropRequest, readLossReport } from '../../../protocols/srt/control.ts';
import { decodeHandshake, encodeHandshake, inductionRequest } from '../../../protocols/srt/handshake.ts';
import { decodeKeyMessage, type SrtCrypto } from '../../../protocols/srt/key-material.ts';
import { SrtListener } from '../../../protocols/srt/listener.ts';
import {
  ControlType,
  controlTypeOf,
  decodePacket,
  isControl,
  sequenceOf,
  writeUint32,
} from '../../../protocols/srt/packet.ts';
import { PEER } from '../../protocols/srt/network.ts';
import { capture } from '../../protocols/srt/pcap.ts';
import { Arrival, type Decoder, utf8 } from '../decoder.ts';

const CAPTURES = ['srs-publish-play.pcap', 'libsrt-aes128.pcap'];
/** Control packets of a capture come first; so many data packets are enough. */
const MEDIA_PACKETS = 20;

const isHandshake = (bytes: Uint8Array): boolean =>
  isControl(bytes) && controlTypeOf(bytes) === ControlType.handshake;

function recorded(): Uint8Array[] {
  const all = CAPTURES.flatMap(capture).map(({ payload }) => payload);
  const data = all.filter((bytes) => !isControl(bytes));
  return [...all.filter(isControl).slice(0, 200), ...data.slice(0, MEDIA_PACKETS)];
}

let drawn = 0;
/** Shapes without cost: what is fuzzed is not the cipher. Each number is another one. */
const crypto: SrtCrypto = {
  random: (count) => Uint8Array.from({ length: count }, (_, at) => (at === count - 1 ? ++drawn : 7)),
  deriveKey: (_passphrase, _salt, _iterations, keyBytes) => new Uint8Array(keyBytes),
  wrapKey: (_key, keys) => new Uint8Array(keys.length + 8),
  unwrapKey: (_key, wrapped) => new Uint8Array(wrapped.subarray(8)),
  ctr: (_key, _iv, bytes, start) => bytes.slice(start),
};

/** One reader of a part for each kind of packet. */
const srtPackets: Decoder = {
  name: 'srt-packets',
  arrival: Arrival.whole,
  seeds: recorded,
  decode([bytes]) {
    const packet = decodePacket(bytes!);
    if (packet.kind === 'data') return;
    switch (packet.type) {
      case ControlType.handshake:
        decodeHandshake(bytes!);
        break;
      case ControlType.ack:
        decodeAck(bytes!);
        break;
      case ControlType.nak:
        readLossReport(bytes!, () => {});
        break;
      case ControlType.dropRequest:
        decodeDropRequest(bytes!);
        break;
      default:
        decodeKeyMessage(packet.content);
    }
  },
};

/** A connection that runs: data and control packets of its peer. */
const srtConnection: Decoder = {
  name: 'srt-connection',
  arrival: Arrival.datagrams,
  seeds: recorded,
  decode(datagrams) {
    const first = datagrams.find((bytes) => bytes.length >= 16 && !isControl(bytes));
    const agreement = {
      initialSequence: first === undefined ? 0 : sequenceOf(first),
      peerSocketId: 9,
      peerVersion: 0x010501,
      receiveLatencyMs: 120,
      sendLatencyMs: 120,
      timed: true,
      tooLateDrop: true,
      peerRepeatsNak: true,
      peerFlowWindow: 8192,
      peerTimestamp: 0,
      peerTimestampAt: 0,
    };
    const handler = { onPacketOut() {} };
    const identity = { socketId: 5, initialSequence: agreement.initialSequence };
    const connection = new SrtConnection({ crypto }, handler, identity, 0, { agreement, keys: undefined });
    let now = 1;
    connection.send(new Uint8Array(100), now);
    for (const bytes of datagrams) {
      connection.receive(bytes, now);
      now += 5;
      if (connection.deadline <= now) connection.tick(now);
    }
    for (let tick = 1; tick <= 3; tick++) connection.tick(now + 200 * tick);
  },
};

/** Callers of which every conclusion echoes the cookie. */
const srtListener: Decoder = {
  name: 'srt-listener',
  arrival: Arrival.datagrams,
  seeds: () => recorded().filter(isHandshake),
  decode(datagrams) {
    let cookie = 0;
    const listener = new SrtListener(
      { crypto, passphrase: 'correcthorse' },
      {
        onPacketOut() {},
        onAnswer(bytes) {
          cookie = decodeHandshake(bytes).cookie;
        },
        onRequest: ({ streamId }) => {
          parseStreamId(streamId);
          return { accept: true };
        },
      },
      crypto.random,
    );
    listener.receive(encodeHandshake(inductionRequest(7, 7, 8192), 0, 0), PEER, 0);
    for (const datagram of datagrams) {
      const bytes = datagram.slice();
      if (bytes.length >= COOKIE_END) {
        writeUint32(bytes, 12, 0);
        writeUint32(bytes, COOKIE_END - 4, cookie);
      }
      listener.receive(bytes, PEER, 1);
    }
    listener.tick(10_000);
  },
};
/** Header, and eight words of the handshake. */
const COOKIE_END = 16 + 32;

/** A caller that waits: induction, then the conclusion. */
const srtCaller: Decoder = {
  name: 'srt-caller',
  arrival: Arrival.datagrams,
  seeds: () => recorded().filter(isHandshake),
  decode(datagrams) {
    const identity = { socketId: 5, initialSequence: 9 };
    const options = { crypto, passphrase: 'correcthorse' };
    const connection = new SrtConnection(options, { onPacketOut() {} }, identity, 0);
    connection.tick(0);
    for (const bytes of datagrams) connection.receive(bytes, 1);
    connection.tick(500);
  },
};

const srtStreamId: Decoder = {
  name: 'srt-stream-id',
  arrival: Arrival.whole,
  seeds: () =>
    ['#!::r=live/stream,m=publish,h=vhost,token=1', '#!::h=live/x,m=request', 'live/stream', ''].map(
      (text) => new Uint8Array(Buffer.from(text)),
    ),
  tokens: ['#!::', ',', '=', '?', '/', 'm=publish', 'r=', 'h='],
  decode(pieces) {
    parseStreamId(utf8(pieces));
  },
};

export const srtDecoders = [srtPackets, srtConnection, srtListener, srtCaller, srtStreamId];
