import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeAmf } from '../../../protocols/amf0/amf0.ts';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import {
  type Command,
  connectCommand,
  connectRedirectCommand,
  createStreamCommand,
  decodeCommand,
  deleteStreamCommand,
  encodeCommand,
  fcPublishCommand,
  onStatus,
  playCommand,
  playRedirectCommand,
  publishCommand,
  redirectOf,
  releaseStreamCommand,
  result,
  statusCodeOf,
} from '../../../protocols/rtmp/commands.ts';
import { type CaptureName, chunks, commandsOf, messagesOf, type Side } from './capture.ts';

function recordedCommand(capture: CaptureName, side: Side, name: string): Command {
  const found = commandsOf(messagesOf(chunks(capture, side))).find((command) => command.name === name);
  assert.ok(found, `${name} in ${capture}`);
  return found;
}

describe('our commands are what ffmpeg and SRS send', () => {
  const publisher = (name: string) => recordedCommand('srs-7.0.18/ffmpeg-publish', 'c2s', name);

  test('publisher', () => {
    assert.deepEqual(releaseStreamCommand(2, 'x'), publisher('releaseStream'));
    assert.deepEqual(fcPublishCommand(3, 'x'), publisher('FCPublish'));
    assert.deepEqual(createStreamCommand(4), publisher('createStream'));
    assert.deepEqual(publishCommand(6, 'x'), publisher('publish'));
  });

  test('player', () => {
    const player = (name: string) => recordedCommand('srs-5.0.213/ffmpeg-play-302', 'c2s', name);
    assert.deepEqual(playCommand(5, 'x', -2000), player('play'));
    assert.deepEqual(deleteStreamCommand(6, 1), player('deleteStream'));
    assert.deepEqual(playCommand(0, 'x'), recordedCommand('srs-7.0.18/edge-pull', 'c2s', 'play'));
  });

  test('connect, with ffmpeg’s values and an SRS edge’s second object', () => {
    const ffmpeg = recordedCommand('srs-7.0.18/ffmpeg-play', 'c2s', 'connect');
    const ours = connectCommand({ app: 'live', tcUrl: 'rtmp://127.0.0.1:19397/live' });
    assert.deepEqual(
      { ...(ours.object as object), objectEncoding: undefined },
      {
        ...(ffmpeg.object as object),
        objectEncoding: undefined,
      },
    );
    const edge = recordedCommand('srs-7.0.18/edge-pull', 'c2s', 'connect');
    assert.deepEqual(
      connectCommand({
        app: 'live',
        tcUrl: 'rtmp://127.0.0.1:19399/live',
        properties: {
          flashVer: 'WIN 15,0,0,239',
          swfUrl: '',
          pageUrl: '',
          capabilities: 239,
          audioCodecs: 3575,
        },
        args: edge.args,
      }),
      edge,
    );
  });

  test('server', () => {
    assert.deepEqual(result(2, null, 1), { name: '_result', transactionId: 2, object: null, args: [1] });
    const recorded = recordedCommand('nginx-rtmp-1.2.2/ffmpeg-play', 's2c', 'onStatus');
    assert.deepEqual(
      onStatus({ level: 'status', code: 'NetStream.Play.Start', description: 'Start live' }),
      recorded,
    );
    assert.equal(statusCodeOf(recorded), 'NetStream.Play.Start');
  });
});

describe('redirect', () => {
  test('in the form of SRS, as recorded', () => {
    const recorded = commandsOf(messagesOf(chunks('srs-5.0.213/edge-302', 's2c'))).at(-1)!;
    assert.deepEqual(playRedirectCommand('rtmp://127.0.0.1:19351/live/x'), recorded);
    assert.deepEqual(redirectOf(recorded), { location: 'rtmp://127.0.0.1:19351/live/x', withStream: true });
  });

  test('in the form of SRS without redirect2', () => {
    const info = {
      level: 'error',
      code: 'x',
      description: '',
      ex: { code: 302, redirect: 'rtmp://h/live' },
    } as const;
    assert.deepEqual(redirectOf(onStatus(info)), { location: 'rtmp://h/live', withStream: false });
    assert.deepEqual(redirectOf(onStatus({ ...info, ex: { ...info.ex, redirect2: '' } })), {
      location: 'rtmp://h/live',
      withStream: false,
    });
  });

  test('in the form of Adobe, over the wire', () => {
    const sent = decodeCommand(encodeCommand(connectRedirectCommand(1, 'rtmp://other:1936/live')));
    assert.equal(sent.name, '_error');
    assert.deepEqual(redirectOf(sent), { location: 'rtmp://other:1936/live', withStream: false });
  });

  test('nothing else is one', () => {
    const ex = { code: 302, redirect: 'rtmp://h/live' };
    const status = { level: 'status', code: 'NetStream.Play.Start', description: '' } as const;
    assert.equal(redirectOf(onStatus(status)), undefined);
    assert.equal(redirectOf(onStatus({ ...status, ex })), undefined);
    assert.equal(redirectOf(onStatus({ ...status, level: 'error' })), undefined);
    assert.equal(
      redirectOf(onStatus({ ...status, level: 'error', ex: { code: 302, redirect: 7 } })),
      undefined,
    );
    assert.equal(redirectOf({ name: '_result', transactionId: 1, object: null, args: [{ ex }] }), undefined);
    const refusal = { name: '_error', transactionId: 1, object: null, args: [{ ex: { ...ex, code: 404 } }] };
    assert.equal(redirectOf(refusal), undefined);
  });
});

describe('reading', () => {
  test('AMF3 command: AMF0 behind a format byte', () => {
    const payload = encodeCommand(createStreamCommand(4));
    assert.deepEqual(decodeCommand(Uint8Array.of(0, ...payload)), createStreamCommand(4));
  });

  test('a command object that is left out is null', () => {
    assert.deepEqual(decodeCommand(encodeAmf(['x', 1])), {
      name: 'x',
      transactionId: 1,
      object: null,
      args: [],
    });
  });

  test('without a name or a transaction id', () => {
    for (const values of [[], ['x'], [1, 'x'], ['x', 'y'], [null, 1]]) {
      assert.throws(
        () => decodeCommand(encodeAmf(values)),
        (error) => error instanceof ProtocolError && error.code === ProtocolErrorCode.RtmpCommand,
      );
    }
  });
});
