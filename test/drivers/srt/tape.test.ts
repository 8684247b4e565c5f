import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { SrtPlayer } from '../../../drivers/srt/player.ts';
import { WireTape } from '../../../scenarios/wire-tape.ts';
import { eventually } from '../support/observe.ts';
import { startRelay, TestPublication } from './support.ts';

test('a tape has the handshake with libsrt, media and the end, each packet with its meaning', async (t) => {
  const secret = 'pbkeylen=16&passphrase=0123456789';
  const { program, inPort, outPort } = await startRelay(`latency=20&${secret}`);
  t.after(() => program.stop());
  const url = `srt://127.0.0.1:${outPort}?latency=20&${secret}&streamid=live/x?token=hidden`;
  const tape = new WireTape(url);
  const meter = new FrameMeter(new MeterHistograms());
  const player = new SrtPlayer(url, meter, { tape });
  player.open();
  const publication = new TestPublication(`srt://127.0.0.1:${inPort}?latency=20&${secret}`);
  t.after(() => publication.stop());
  await eventually(5000, 'frames', () => meter.received >= 40);
  player.close();
  const text = tape.describe();
  for (const line of [
    / 0\.0 ms {2}sent, 64 bytes: SRT handshake at \d+ us to 0x00000000: induction, version 4, /,
    / ms {2}received, 64 bytes: SRT handshake at .*: induction, version 5, socket 0x\w+, cookie 0x/,
    / sent, .*: conclusion, version 5, .* HSREQ of 0x.*, KMREQ of \d+ bytes, stream id "live\/x\?token=\*\*\*"\n/,
    / received, .*: conclusion, version 5, .* HSRSP of 0x.* latency 20 ms in and 20 ms out, KMRSP /,
    / received, \d+ bytes: SRT data at \d+ us to 0x\w+: sequence \d+, message 1, \d+ bytes of payload, encrypted with the even key\n/,
    / sent, 44 bytes: SRT ack at .*: number \d+, all before \d+, RTT \d+ us\n/,
    / received, \d+ bytes: SRT ack ack at /,
    /… \d+ that were received are left out\n/,
    / sent, \d+ bytes: SRT shutdown at /,
  ])
    assert.match(text, line);
  assert.doesNotMatch(text, /hidden|0123456789|cannot be read/);
  const [, sent, received] = /-- packets: (\d+) sent, (\d+) received/.exec(text)!;
  assert.ok(Number(sent) > 3 && Number(received) > 40, text.slice(0, 80));
});
