import { randomBytes } from 'node:crypto';
import { decodeAmf } from '../../../protocols/amf0/amf0.ts';
import { ChunkReader } from '../../../protocols/rtmp/chunk-reader.ts';
import { decodeCommand, redirectOf, statusCodeOf } from '../../../protocols/rtmp/commands.ts';
import { ClientHandshake, ServerHandshake } from '../../../protocols/rtmp/handshake.ts';
import { type Message, MessageAssembler, splitAggregate } from '../../../protocols/rtmp/message-assembler.ts';
import {
  decodeControlValue,
  decodeSetPeerBandwidth,
  decodeUserControl,
  MessageTypeId,
} from '../../../protocols/rtmp/messages.ts';
import { parseRtmpUrl } from '../../../protocols/rtmp/url.ts';
import { captures, chunks, handshakeSize, hmac, messagesOf, recorded } from '../../protocols/rtmp/capture.ts';
import { Arrival, type Decoder, utf8 } from '../decoder.ts';

/** Of a capture: so much has commands and some media in it. */
const BEGINNING = 4096;

const sides = captures.flatMap((name) => [[name, 'c2s'] as const, [name, 's2c'] as const]);

function decodeMessage(message: Message): void {
  const { messageTypeId, payload } = message;
  switch (messageTypeId) {
    case MessageTypeId.CommandAmf0: {
      const command = decodeCommand(payload);
      statusCodeOf(command);
      redirectOf(command);
      break;
    }
    case MessageTypeId.UserControl:
      decodeUserControl(payload);
      break;
    case MessageTypeId.SetPeerBandwidth:
      decodeSetPeerBandwidth(payload);
      break;
    case MessageTypeId.WindowAckSize:
    case MessageTypeId.Acknowledgement:
      decodeControlValue(payload);
      break;
    case MessageTypeId.Aggregate:
      splitAggregate(message).forEach(decodeMessage);
      break;
    case MessageTypeId.DataAmf0:
      decodeAmf(payload);
  }
}

const rtmpChunks: Decoder = {
  name: 'rtmp-chunks',
  arrival: Arrival.stream,
  seeds: () => sides.map(([name, side]) => chunks(name, side).slice(0, BEGINNING)),
  decode(pieces) {
    const reader = new ChunkReader(new MessageAssembler(decodeMessage));
    for (const piece of pieces) reader.push(piece);
  },
};

const rtmpHandshake: Decoder = {
  name: 'rtmp-handshake',
  arrival: Arrival.stream,
  seeds: () => sides.map(([name, side]) => recorded(name, side).slice(0, handshakeSize)),
  decode(pieces) {
    const random = (count: number): Uint8Array => noise.subarray(0, count);
    const readers = [
      new ServerHandshake({ random, hmac, wrongEcho: 'reject' }),
      new ClientHandshake({ form: 'digest', random, hmac }),
    ];
    for (const reader of readers) {
      for (const piece of pieces) if (reader.push(piece).done) break;
    }
  },
};
const noise = new Uint8Array(randomBytes(1536));

const amf0: Decoder = {
  name: 'amf0',
  arrival: Arrival.whole,
  seeds: () =>
    sides
      .flatMap(([name, side]) => messagesOf(chunks(name, side)))
      .filter(
        ({ messageTypeId: type }) => type === MessageTypeId.CommandAmf0 || type === MessageTypeId.DataAmf0,
      )
      .map(({ payload }) => payload),
  decode([bytes]) {
    decodeAmf(bytes!);
  },
};

const rtmpUrl: Decoder = {
  name: 'rtmp-url',
  arrival: Arrival.whole,
  seeds: () =>
    ['rtmp://127.0.0.1:1935/live/stream?vhost=v&token=1', 'rtmp://[::1]/a/b/c', 'rtmp://h.example/live'].map(
      (url) => new Uint8Array(Buffer.from(url)),
    ),
  tokens: ['rtmp://', '/', '?', '#', '@', ':', '%zz', '[', '99999', '..'],
  decode(pieces) {
    parseRtmpUrl(utf8(pieces));
  },
};

export const rtmpDecoders = [rtmpChunks, rtmpHandshake, amf0, rtmpUrl];
