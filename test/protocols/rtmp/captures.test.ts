/** Held against what SRS, nginx-rtmp and ffmpeg sent. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { amfProperty, decodeAmf, EcmaArray, encodeAmf } from '../../../protocols/amf0/amf0.ts';
import { ChunkReader } from '../../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../../protocols/rtmp/chunk-writer.ts';
import { decodeCommand, encodeCommand, redirectOf, statusCodeOf } from '../../../protocols/rtmp/commands.ts';
import { type Message, MessageAssembler } from '../../../protocols/rtmp/message-assembler.ts';
import {
  decodeControlValue,
  decodeSetPeerBandwidth,
  decodeUserControl,
  MessageTypeId,
  PeerBandwidthLimit,
  UserControlEvent,
} from '../../../protocols/rtmp/messages.ts';
import { type CaptureName, captures, chunks, commandsOf, mediaOf, messagesOf, type Side } from './capture.ts';

const { Audio, Video, DataAmf0, CommandAmf0 } = MessageTypeId;

function count(messages: readonly Message[], messageTypeId: number): number {
  return messages.filter((message) => message.messageTypeId === messageTypeId).length;
}

function first(messages: readonly Message[], messageTypeId: number): Message {
  const found = messages.find((message) => message.messageTypeId === messageTypeId);
  assert.ok(found, `a message of type ${messageTypeId}`);
  return found;
}

function assertMonotonic(messages: readonly Message[]): void {
  for (const type of [Audio, Video]) {
    const times = messages
      .filter((message) => message.messageTypeId === type)
      .map(({ timestamp }) => timestamp);
    assert.ok(times.length > 40, `${times.length} messages of type ${type}`);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  }
}

/** FLV v10.1 E.4.2 and E.4.3: AVC or AAC sequence header, then frames. */
function assertSequenceHeadersFirst(messages: readonly Message[]): void {
  const video = messages.filter(({ messageTypeId }) => messageTypeId === Video);
  const audio = messages.filter(({ messageTypeId }) => messageTypeId === Audio);
  assert.deepEqual(
    [...video[0]!.payload.subarray(0, 6)],
    [0x17, 0, 0, 0, 0, 1],
    'AVC configuration, version 1',
  );
  assert.deepEqual([...video[1]!.payload.subarray(0, 2)], [0x17, 1], 'then a keyframe');
  assert.deepEqual([...audio[0]!.payload.subarray(0, 4)], [0xaf, 0, 0x12, 0x08], 'AAC-LC, 44.1 kHz, mono');
  for (const { payload } of video.slice(1)) {
    assert.equal(payload[1], 1);
    assert.equal(
      new DataView(payload.buffer, payload.byteOffset).getUint32(5) + 9 <= payload.length,
      true,
      'the first NAL unit fits in',
    );
  }
  for (const { payload } of audio.slice(1)) assert.deepEqual([...payload.subarray(0, 2)], [0xaf, 1]);
}

const srsServer = 'SRS/7.0.18(Hang)';

describe('players of SRS 7.0.18', () => {
  for (const [name, audio, video] of [
    ['srs-7.0.18/ffmpeg-play', 132, 78],
    ['srs-7.0.18/edge-pull', 142, 83],
  ] as const) {
    test(`${name}: control, commands, metadata, then media`, () => {
      const messages = messagesOf(chunks(name, 's2c'));
      assert.deepEqual(
        messages.slice(0, 11).map(({ messageTypeId }) => messageTypeId),
        [5, 6, 1, 20, 20, 20, 4, 20, 20, 18, 18],
      );
      assert.equal(decodeControlValue(messages[0]!.payload), 2_500_000);
      assert.deepEqual(decodeSetPeerBandwidth(messages[1]!.payload), {
        size: 2_500_000,
        limit: PeerBandwidthLimit.Dynamic,
      });
      assert.equal(decodeControlValue(messages[2]!.payload), 60_000);
      assert.deepEqual(decodeUserControl(messages[6]!.payload), {
        event: UserControlEvent.StreamBegin,
        a: 1,
        b: 0,
      });

      const commands = commandsOf(messages);
      assert.deepEqual(
        commands.map((command) => [command.name, command.transactionId, statusCodeOf(command)]),
        [
          ['_result', 1, 'NetConnection.Connect.Success'],
          ['onBWDone', 0, undefined],
          ['_result', 2, undefined],
          ['onStatus', 0, 'NetStream.Play.Reset'],
          ['onStatus', 0, 'NetStream.Play.Start'],
        ],
      );
      const data = amfProperty(commands[0]!.args[0], 'data');
      assert.ok(data instanceof EcmaArray);
      assert.equal(data.srs_server, srsServer);
      assert.deepEqual(commands[2]!.args, [1], 'the message stream id');

      const [event, metadata] = decodeAmf(messages[10]!.payload);
      assert.equal(event, 'onMetaData');
      assert.ok(metadata instanceof EcmaArray || typeof metadata === 'object');
      assert.deepEqual(
        ['width', 'height', 'framerate', 'videocodecid', 'stereo', 'server'].map((key) =>
          amfProperty(metadata, key),
        ),
        [320, 180, 25, 7, false, srsServer],
      );

      assert.deepEqual([count(messages, Audio), count(messages, Video)], [audio, video]);
      assert.equal(messages.length, 11 + audio + video);
      assert.deepEqual(
        messages.slice(11, 14).map(({ messageTypeId, timestamp }) => [messageTypeId, timestamp]),
        [
          [Audio, 0],
          [Video, 0],
          [Video, 10],
        ],
        'audio header, video header, keyframe',
      );
      assertSequenceHeadersFirst(messages);
      assertMonotonic(messages);
      assert.ok(messages.slice(7).every(({ messageStreamId }) => messageStreamId === 1));
    });
  }
});

test('nginx-rtmp 1.2.2: chunks of 4000 bytes, deltas, audio and video on chunk streams of their own', () => {
  const messages = messagesOf(chunks('nginx-rtmp-1.2.2/ffmpeg-play', 's2c'));
  assert.deepEqual(
    messages.slice(0, 9).map(({ messageTypeId }) => messageTypeId),
    [5, 6, 1, 20, 20, 4, 20, 18, 18],
  );
  assert.equal(decodeControlValue(messages[2]!.payload), 4000);
  assert.deepEqual(commandsOf(messages).map(statusCodeOf), [
    'NetConnection.Connect.Success',
    undefined,
    'NetStream.Play.Start',
  ]);
  const metadata = decodeAmf(messages[8]!.payload)[1];
  assert.equal(amfProperty(metadata, 'Server'), 'NGINX RTMP (github.com/arut/nginx-rtmp-module)');
  assert.deepEqual([count(messages, Audio), count(messages, Video)], [89, 52]);
  assert.deepEqual(
    mediaOf(messages)
      .slice(0, 5)
      .map(({ chunkStreamId, timestamp, payload }) => [chunkStreamId, timestamp, payload.length]),
    [
      [6, 2972, 7],
      [6, 2995, 101],
      [6, 3018, 84],
      [7, 2983, 43],
      [7, 3023, 2517],
    ],
  );
  assertSequenceHeadersFirst(messages);
  assertMonotonic(messages);
});

describe('publishers: ffmpeg', () => {
  for (const [name, chunkSize, audio, video, publishId] of [
    ['srs-7.0.18/ffmpeg-publish', 60_000, 280, 162, 6],
    ['nginx-rtmp-1.2.2/ffmpeg-publish', 4000, 189, 109, 5],
  ] as const) {
    test(name, () => {
      const messages = messagesOf(chunks(name, 'c2s'));
      const commands = commandsOf(messages);
      assert.deepEqual(
        commands.filter((command) => command.name !== '_checkbw').map((command) => command.name),
        ['connect', 'releaseStream', 'FCPublish', 'createStream', 'publish'],
      );
      assert.equal(amfProperty(commands[0]!.object, 'type'), 'nonprivate');
      assert.equal(amfProperty(commands[0]!.object, 'app'), 'live');
      const publish = commands.at(-1)!;
      assert.deepEqual([publish.transactionId, publish.args[1]], [publishId, 'live']);
      assert.equal(decodeControlValue(first(messages, MessageTypeId.SetChunkSize).payload), chunkSize);
      const [command, event, metadata] = decodeAmf(first(messages, DataAmf0).payload);
      assert.deepEqual([command, event], ['@setDataFrame', 'onMetaData']);
      assert.ok(metadata instanceof EcmaArray);
      assert.equal(metadata.encoder, 'Lavf59.27.100');
      assert.deepEqual([count(messages, Audio), count(messages, Video)], [audio, video]);
      assertSequenceHeadersFirst(messages);
      assertMonotonic(messages);
    });
  }

  test('SRS answers a publisher', () => {
    const commands = commandsOf(messagesOf(chunks('srs-7.0.18/ffmpeg-publish', 's2c')));
    assert.deepEqual(
      commands.map((command) => [command.name, command.transactionId]),
      [
        ['_result', 1],
        ['onBWDone', 0],
        ['_result', 2],
        ['_result', 3],
        ['_result', 4],
        ['onFCPublish', 0],
        ['onStatus', 0],
        ['onFCUnpublish', 0],
        ['_result', 7],
        ['onStatus', 0],
      ],
    );
    assert.deepEqual(commands[2]!.args, [undefined], 'the answer to releaseStream');
    assert.equal(statusCodeOf(commands[6]!), 'NetStream.Publish.Start');
    assert.equal(statusCodeOf(commands[9]!), 'NetStream.Unpublish.Success');
  });
});

describe('extended timestamps', () => {
  test('ffmpeg: an extended delta on a type 1 header, repeated on 34 type 3 chunks of a keyframe', () => {
    const messages = messagesOf(chunks('nginx-rtmp-1.2.2/ffmpeg-publish-extended', 'c2s'));
    assert.deepEqual(
      mediaOf(messages)
        .slice(0, 6)
        .map(({ messageTypeId, timestamp, payload }) => [messageTypeId, timestamp, payload.length]),
      [
        [Video, 0, 43],
        [Audio, 0, 7],
        [Audio, 16_999_977, 155],
        [Video, 17_000_000, 4460],
        [Audio, 17_000_000, 163],
        [Audio, 17_000_023, 63],
      ],
    );
    assertSequenceHeadersFirst(messages);
    assertMonotonic(messages);
  });

  test('nginx-rtmp: absolute on type 0 headers, plain deltas after', () => {
    const messages = messagesOf(chunks('nginx-rtmp-1.2.2/ffmpeg-play-extended', 's2c'));
    const media = mediaOf(messages);
    assert.deepEqual([media[0]!.timestamp, media[1]!.timestamp], [17_001_788, 17_001_811]);
    assert.deepEqual([count(messages, Audio), count(messages, Video)], [89, 48]);
    assertSequenceHeadersFirst(messages);
    assertMonotonic(messages);
  });
});

test('an SRS edge says who it is in the second object of its connect', () => {
  for (const [name, version] of [
    ['srs-7.0.18/edge-pull', '7.0.18'],
    ['srs-5.0.213/edge-302', '5.0.213'],
  ] as const) {
    const messages = messagesOf(chunks(name, 'c2s'));
    const [connect, createStream, play] = commandsOf(messages);
    assert.equal(connect!.name, 'connect');
    assert.equal(amfProperty(connect!.args[0], 'srs_sig'), 'SRS');
    assert.equal(amfProperty(connect!.args[0], 'srs_version'), version);
    assert.equal(typeof amfProperty(connect!.args[0], 'srs_pid'), 'number');
    assert.deepEqual([createStream!.name, createStream!.transactionId], ['createStream', 2]);
    assert.deepEqual([play!.name, play!.args], ['play', ['x']]);
    assert.deepEqual(decodeUserControl(first(messages, MessageTypeId.UserControl).payload), {
      event: UserControlEvent.SetBufferLength,
      a: 1,
      b: 1000,
    });
  }
});

test('SRS redirects after Play.Start, on message stream 0', () => {
  for (const name of ['srs-5.0.213/ffmpeg-play-302', 'srs-5.0.213/edge-302'] as const) {
    const messages = messagesOf(chunks(name, 's2c'));
    const commands = commandsOf(messages);
    assert.deepEqual(commands.slice(-2).map(statusCodeOf), [
      'NetStream.Play.Start',
      'NetConnection.Connect.Rejected',
    ]);
    assert.equal(messages.at(-1)!.messageTypeId, CommandAmf0);
    assert.equal(messages.at(-1)!.messageStreamId, 0);
    assert.deepEqual(commands.map(redirectOf).filter(Boolean), [
      { location: 'rtmp://127.0.0.1:19351/live/x', withStream: true },
    ]);
  }
});

describe('written again, the recorded messages give the recorded bytes', () => {
  /** Follows the recorded chunk size, as the sender did. */
  function rewritten(bytes: Uint8Array, write: 'encode' | 'encodeCompressed'): Uint8Array {
    const writer = new ChunkWriter();
    const pieces: Uint8Array[] = [];
    const assembler = new MessageAssembler((message) => {
      const { chunkStreamId, messageTypeId, messageStreamId, timestamp, payload } = message;
      pieces.push(writer[write](chunkStreamId, messageTypeId, messageStreamId, timestamp, payload));
      if (messageTypeId === MessageTypeId.SetChunkSize) writer.chunkSize = decodeControlValue(payload);
    });
    new ChunkReader(assembler).push(bytes);
    return new Uint8Array(Buffer.concat(pieces));
  }

  for (const [name, side] of [
    ['srs-7.0.18/ffmpeg-play', 's2c'],
    ['srs-7.0.18/ffmpeg-publish', 's2c'],
    ['srs-7.0.18/edge-pull', 's2c'],
    ['srs-7.0.18/edge-pull', 'c2s'],
    ['srs-5.0.213/edge-302', 's2c'],
  ] satisfies [CaptureName, Side][]) {
    test(`${name}.${side}: SRS, type 0 and 3`, () => {
      const bytes = chunks(name, side);
      const again = rewritten(bytes, 'encode');
      assert.ok(again.length > bytes.length * 0.95, 'all but the message that the recording cuts off');
      assert.equal(Buffer.compare(again, bytes.subarray(0, again.length)), 0);
    });
  }

  test('every recorded AMF0 payload', () => {
    let payloads = 0;
    for (const name of captures) {
      for (const side of ['c2s', 's2c'] as const) {
        for (const { messageTypeId, payload } of messagesOf(chunks(name, side))) {
          if (messageTypeId !== CommandAmf0 && messageTypeId !== DataAmf0) continue;
          payloads++;
          assert.deepEqual(decodeAmf(encodeAmf(decodeAmf(payload))), decodeAmf(payload));
          if (messageTypeId === CommandAmf0) {
            const again = encodeCommand(decodeCommand(payload));
            // SRS announces 0 properties for the ECMA array in its answer to connect; we announce what comes.
            const data = amfProperty(decodeCommand(payload).args[0], 'data');
            if (data instanceof EcmaArray) assert.equal(again.length, payload.length);
            else assert.deepEqual(Buffer.from(again), Buffer.from(payload));
          }
        }
      }
    }
    assert.ok(payloads > 80, `${payloads} payloads`);
  });
});
