/**
 * What no client should send, by the stage at which it comes. Each attack ends in one of three ways: the server must
 * see by itself that the bytes are wrong and close; or the client breaks off, with FIN or with RST, and the server
 * must let go.
 */
import { randomBytes } from 'node:crypto';
import { ChunkStream, chunkHeader, chunksOf, controlChunk, MessageType, uint32 } from './chunks.ts';
import { RTMP_VERSION, simpleC1 } from './handshake.ts';
import type { WireRtmp } from './rtmp.ts';

export interface RtmpAttack {
  /** Stable slug. */
  readonly name: string;
  /** Section of RTMP 1.0, or of the AMF0 specification, that the bytes go against; none where they just end. */
  readonly against: string;
  /** `server`: nothing more is sent, and the server must close. */
  readonly ending: 'server' | 'fin' | 'rst';
  /** Needs a node that takes publishers; others: any node. */
  readonly publishes?: true;
  /** Brings the connection to its stage by the book, then sends the bytes. @throws WireError */
  send(client: WireRtmp, app: string, stream: string): Promise<void>;
}

const PLAIN_TEXT = Buffer.from(`GET / HTTP/1.1\r\nHost: rtmp\r\nX: ${'x'.repeat(2000)}\r\n\r\n`);
const NUMBER = Buffer.from('003ff0000000000000', 'hex');
/** Deeper than any command and than any stack that recurses per level; 4 bytes each. */
const NESTED_LEVELS = 100_000;

/** An AMF0 string with its type marker. */
function amfString(text: string): Buffer {
  return Buffer.concat([Buffer.of(2, 0, text.length), Buffer.from(text)]);
}

function commandMessage(payload: Uint8Array, messageStreamId = 0): Buffer {
  const message = {
    chunkStreamId: ChunkStream.command,
    type: MessageType.command,
    messageStreamId,
    time: 0,
    payload,
  };
  return Buffer.concat(chunksOf(message, 128));
}

/** The header of a message that promises `length` bytes, and `sent` of them. */
function torn(type: number, length: number, sent: number, messageStreamId = 0): Buffer {
  const chunkStreamId = type === MessageType.command ? ChunkStream.command : ChunkStream.video;
  const header = chunkHeader({ form: 0, chunkStreamId, time: 0, length, type, messageStreamId });
  return Buffer.concat([header, randomBytes(sent)]);
}

/** An attack right behind the handshake. */
function afterHandshake(bytes: () => Uint8Array): RtmpAttack['send'] {
  return async (client) => {
    await client.handshake();
    client.raw(bytes());
  };
}

function afterConnect(bytes: () => Uint8Array): RtmpAttack['send'] {
  return async (client, app) => {
    await client.handshake();
    await client.connect(app);
    client.raw(bytes());
  };
}

function whilePlaying(bytes: (messageStreamId: number) => Uint8Array): RtmpAttack['send'] {
  return async (client, app, stream) => {
    client.raw(bytes(await client.startPlay(app, stream)));
  };
}

function whilePublishing(bytes: (messageStreamId: number) => Uint8Array): RtmpAttack['send'] {
  return async (client, app, stream) => {
    client.raw(bytes(await client.startPublish(app, stream)));
  };
}

export const RTMP_ATTACKS: readonly RtmpAttack[] = [
  {
    name: 'c0-plain-text',
    against: '5.2.2: versions 32-255 are not allowed, so that text protocols are told apart',
    ending: 'server',
    send: async (client) => client.raw(PLAIN_TEXT),
  },
  {
    name: 'c1-half-fin',
    against: '',
    ending: 'fin',
    send: async (client) => client.raw(Buffer.concat([Buffer.of(RTMP_VERSION), simpleC1().subarray(0, 700)])),
  },
  {
    name: 'c1-half-rst',
    against: '',
    ending: 'rst',
    send: async (client) => client.raw(Buffer.concat([Buffer.of(RTMP_VERSION), simpleC1().subarray(0, 700)])),
  },
  {
    name: 'c2-half-fin',
    against: '',
    ending: 'fin',
    send: async (client) => {
      client.sendC0C1();
      await client.serverAnswer();
      client.raw(randomBytes(700));
    },
  },
  {
    name: 'c2-missing-rst',
    against: '',
    ending: 'rst',
    send: async (client) => {
      client.sendC0C1();
      await client.serverAnswer();
    },
  },
  {
    name: 'first-chunk-type-3',
    against: '5.3.1.2.4: a chunk without a header takes that of the chunk before, and there is none',
    ending: 'server',
    send: afterHandshake(() => Buffer.concat([chunkHeader({ form: 3, chunkStreamId: 7 }), randomBytes(128)])),
  },
  {
    name: 'first-chunk-type-2',
    against: '5.3.1.2.3: length and type are those of the chunk before, and there is none',
    ending: 'server',
    send: afterHandshake(() => Buffer.concat([chunkHeader({ form: 2, chunkStreamId: 7 }), randomBytes(128)])),
  },
  {
    name: 'chunk-size-zero',
    against: '5.4.1: at least 1',
    ending: 'server',
    send: afterHandshake(() => controlChunk(MessageType.setChunkSize, uint32(0))),
  },
  {
    name: 'chunk-size-first-bit',
    against: '5.4.1: the first bit must be zero',
    ending: 'server',
    send: afterHandshake(() => controlChunk(MessageType.setChunkSize, uint32(0x80001000))),
  },
  {
    name: 'chunk-size-short',
    against: '5.4.1: a field of 4 bytes',
    ending: 'server',
    send: afterConnect(() => controlChunk(MessageType.setChunkSize, Buffer.of(0, 1))),
  },
  {
    name: 'user-control-short',
    against: '5.4, 6.2: an event type of 2 bytes comes first',
    ending: 'server',
    send: whilePlaying(() => controlChunk(MessageType.userControl, Buffer.of(0))),
  },
  {
    name: 'command-noise',
    against: 'AMF0 2.1: markers 0x12 and above do not exist',
    ending: 'server',
    send: afterHandshake(() => commandMessage(Buffer.alloc(200, 0xee))),
  },
  {
    name: 'command-noise-playing',
    against: 'AMF0 2.1: markers 0x12 and above do not exist',
    ending: 'server',
    send: whilePlaying((id) => commandMessage(Buffer.alloc(200, 0xee), id)),
  },
  {
    name: 'command-string-overrun',
    against: 'AMF0 2.4: a string is as long as it says',
    ending: 'server',
    send: afterHandshake(() => commandMessage(Buffer.from('02fffe636f6e6e656374', 'hex'))),
  },
  {
    name: 'connect-object-open',
    against: 'AMF0 2.5: an object ends with 00 00 09',
    ending: 'server',
    send: afterHandshake(() =>
      commandMessage(Buffer.concat([amfString('connect'), NUMBER, Buffer.from('030003617070', 'hex')])),
    ),
  },
  {
    name: 'connect-nested-endlessly',
    against: 'AMF0 2.5: an object ends with 00 00 09',
    ending: 'server',
    send: afterHandshake(() => {
      const level = Buffer.from('03000161', 'hex');
      return commandMessage(
        Buffer.concat([amfString('connect'), NUMBER, Buffer.alloc(level.length * NESTED_LEVELS, level)]),
      );
    }),
  },
  {
    name: 'command-half-fin',
    against: '',
    ending: 'fin',
    send: afterConnect(() => torn(MessageType.command, 100, 50)),
  },
  {
    name: 'message-16-mib-fin',
    against: '',
    ending: 'fin',
    send: afterConnect(() => torn(MessageType.video, 0xffffff, 128)),
  },
  { name: 'connected-rst', against: '', ending: 'rst', send: afterConnect(() => Buffer.alloc(0)) },
  { name: 'playing-rst', against: '', ending: 'rst', send: whilePlaying(() => Buffer.alloc(0)) },
  {
    name: 'playing-half-chunk-fin',
    against: '',
    ending: 'fin',
    send: whilePlaying((id) => torn(MessageType.command, 100, 50, id)),
  },
  {
    name: 'publishing-half-frame-fin',
    against: '',
    ending: 'fin',
    publishes: true,
    send: whilePublishing((id) => torn(MessageType.video, 4000, 100, id)),
  },
  {
    name: 'publishing-half-frame-rst',
    against: '',
    ending: 'rst',
    publishes: true,
    send: whilePublishing((id) => torn(MessageType.video, 4000, 100, id)),
  },
  {
    name: 'publishing-aggregate-overrun',
    against: '7.1.6: sub-messages fill the aggregate, none is longer',
    ending: 'server',
    publishes: true,
    send: whilePublishing((messageStreamId) => {
      const payload = Buffer.from('0900ffff0000000000000000170100', 'hex');
      const chunkStreamId = ChunkStream.video;
      return Buffer.concat(
        chunksOf({ chunkStreamId, type: MessageType.aggregate, messageStreamId, time: 0, payload }, 128),
      );
    }),
  },
];
