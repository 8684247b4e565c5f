import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Library } from '../../../lab/builtin/rtc/library.ts';
import { RtcTransport } from '../../../lab/builtin/rtc/transport.ts';

const nothing = (): void => {};

test('an offer that the library does not take leaves nothing that fails later, with nobody there', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const connection = {
    addTrack: () => ({ onMessage: nothing, onClosed: nothing, onOpen: nothing, close: nothing }),
    onStateChange: nothing,
    onGatheringStateChange: nothing,
    setRemoteDescription: () => {
      throw new Error('no such offer');
    },
    close: nothing,
  };
  const library = {
    PeerConnection: function PeerConnection() {
      return connection;
    },
    Video: class {
      addH264Codec = nothing;
    },
  } as unknown as Library;
  const events = { onConnected: nothing, onRtp: nothing, onRtcp: nothing, onGone: nothing };
  const transport = new RtcTransport(library, '127.0.0.1', 1, true, events);
  await assert.rejects(transport.answer('v=0'), /no such offer/);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  t.mock.timers.tick(60_000);
  await new Promise(setImmediate);
  assert.deepEqual(unhandled, []);
  transport.close();
});
