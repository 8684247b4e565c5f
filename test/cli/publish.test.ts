import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ExitCode, UsageError } from '../../cli/output.ts';
import { type PublishArguments, type PublishSurroundings, publish } from '../../cli/publish.ts';
import type { PublishFigures, PublishOptions } from '../../drivers/swarm/load.ts';
import { flvHeader } from '../../protocols/flv/writer.ts';
import { distribution } from '../reports/samples.ts';
import { resultsIn, surroundings, temporary } from './surroundings.ts';

const URL_OF_STREAM = 'rtmp://127.0.0.1/live/a';

const FIGURES: PublishFigures = {
  urls: [URL_OF_STREAM],
  seconds: 10,
  clients: { requested: 1, joined: 1, failed: 0, dropped: 0 },
  reasons: {},
  bytes: 600_000,
  frames: 250,
  lag: distribution(250, 2, 0.4),
  untaken: { boundMs: 5000, worstMs: 0, lastMs: 0, lateMs: 0, streams: 0 },
  generator: { healthy: true, reasons: [], loopLagP99Ms: 2, cpuCores: 0.02, rssMb: 70, udpDrops: 0 },
};

function fakeRun(
  figures: PublishFigures,
  onRun: (options: PublishOptions) => void = () => {},
): PublishSurroundings['run'] {
  return async (options) => {
    onRun(options);
    options.onTick?.({
      second: 1,
      requested: 1,
      publishing: 1,
      failed: 0,
      dropped: 0,
      intervalMbitPerSecond: 0.48,
      lagP99Ms: 2,
      untakenMs: figures.untaken.lastMs,
      loopLagMs: 1,
    });
    return figures;
  };
}

test('one stream of the fixture until Ctrl-C, which is then no interruption; nothing is written', async () => {
  const around = surroundings();
  let asked: PublishOptions | undefined;
  const run = fakeRun(FIGURES, (options) => {
    asked = options;
    around.interrupt();
  });
  assert.equal(await publish(URL_OF_STREAM, { streams: '1' }, { ...around, run }), ExitCode.pass);
  assert.equal(asked!.url, URL_OF_STREAM);
  assert.equal(asked!.streams, 1);
  assert.equal(asked!.durationMs, undefined);
  assert.match(asked!.file, /fixtures\/media\/av-480k\.flv$/);
  assert.match(around.stderr.text, /^1 s \| 1\/1 publishing, 0 failed \| 0\.5 Mbit\/s/);
  assert.match(around.stdout.text, /^pass {2}1 of 1 stream published, 250 frames and 600 kB sent\n$/);
  assert.ok(around.state.released);
});

test('with --out the results are written', async (t) => {
  const out = temporary(t);
  const run = fakeRun(FIGURES);
  const args = { streams: '1', duration: '10s', out };
  assert.equal(await publish(URL_OF_STREAM, args, { ...surroundings(), run }), ExitCode.pass);
  const results = resultsIn(out);
  assert.equal(results.kind, 'publish');
  assert.deepEqual(results.publish, FIGURES);
  assert.deepEqual(readdirSync(out).sort(), ['junit.xml', 'report.html', 'results.json', 'summary.md']);
});

test('SRT and WHIP: %d in a stream id, the token goes to the publishers and nowhere else', async (t) => {
  const out = temporary(t);
  const asked: PublishOptions[] = [];
  const run = fakeRun(FIGURES, (options) => asked.push(options));
  const srt = 'srt://127.0.0.1:10080?streamid=%23!::r=live/s-%d,m=publish';
  assert.equal(await publish(srt, { streams: '2' }, { ...surroundings(), run }), ExitCode.pass);
  assert.equal(asked[0]!.url, srt);
  const args = { streams: '1', duration: '10s', token: 'hunter2', out };
  assert.equal(await publish('whip://127.0.0.1:1985/x', args, { ...surroundings(), run }), ExitCode.pass);
  assert.equal(asked[1]!.client?.webrtc?.token, 'hunter2');
  assert.deepEqual(resultsIn(out).command.slice(-2), ['--token', '***']);
});

test('the verdict: streams that are refused, lost or not taken fail, an unhealthy generator or an early end is inconclusive', async () => {
  let told = { text: '' };
  const exit = (
    figures: Partial<PublishFigures>,
    args: Partial<PublishArguments> = {},
    interrupted = false,
  ) => {
    const around = surroundings();
    const run = fakeRun({ ...FIGURES, ...figures }, () => interrupted && around.interrupt());
    told = around.stderr;
    return publish(URL_OF_STREAM, { streams: '1', ...args }, { ...around, run });
  };
  const refused = { requested: 1, joined: 0, failed: 1, dropped: 0 };
  const lost = { requested: 1, joined: 1, failed: 0, dropped: 1 };
  const generator = { ...FIGURES.generator, healthy: false, reasons: ['event loop lag'] };
  assert.equal(await exit({ clients: refused }), ExitCode.fail);
  assert.doesNotMatch(told.text, /not taken/);
  assert.equal(await exit({ clients: lost }), ExitCode.fail);
  assert.equal(await exit({ clients: lost, generator }), ExitCode.inconclusive);
  const untaken = { boundMs: 5000, worstMs: 590_000, lastMs: 590_000, lateMs: 590_000, streams: 1 };
  assert.equal(await exit({ untaken }), ExitCode.fail);
  assert.match(told.text, /not taken for 590000 ms/);
  assert.equal(await exit({ untaken, generator }), ExitCode.inconclusive);
  assert.equal(await exit({}, { duration: '1h' }, true), ExitCode.inconclusive);
});

/** Its AudioSpecificConfig leaves the channels to what ADTS has no place for (ISO/IEC 14496-3 section 1.6.2.1). */
function withoutChannels(flv: Buffer): Buffer {
  const at = flv.indexOf(Buffer.of(0xaf, 0));
  assert.ok(at > 0);
  flv[at + 3]! &= 0x87;
  return flv;
}

test('wrong use is told before anything is started or written', async (t) => {
  const directory = temporary(t);
  const out = join(directory, 'never');
  const movie = join(directory, 'movie.mp4');
  writeFileSync(movie, '\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41');
  const silent = join(directory, 'silent.flv');
  writeFileSync(silent, flvHeader({ audio: true, video: true }));
  const unusual = join(directory, 'unusual.flv');
  writeFileSync(unusual, withoutChannels(readFileSync('fixtures/media/av-480k.flv')));
  const run = fakeRun(FIGURES, () => assert.fail('the publishers were started'));
  const wrong: [string, Partial<PublishArguments>, RegExp][] = [
    ['rtmp://media.example/live/a', {}, /media\.example is not on loopback/],
    ['http://127.0.0.1/a.flv', {}, /A URL of rtmp:\/\/ or srt:\/\/ or whip:\/\/ or whips:\/\/ is needed/],
    ['whep://127.0.0.1/x', {}, /A URL of rtmp/],
    ['whip://media.example/x', {}, /media\.example is not on loopback/],
    ['srt://127.0.0.1', {}, /expected srt:\/\/host:port/],
    ['srt://127.0.0.1:9000', { streams: '2' }, /put %d/],
    [URL_OF_STREAM, { streams: '3' }, /3 streams need a name each: put %d/],
    [URL_OF_STREAM, { streams: '-1' }, /count is a whole number/],
    [URL_OF_STREAM, { file: '/nowhere/a.flv' }, /There is no file \/nowhere\/a\.flv/],
    [URL_OF_STREAM, { file: movie }, /movie\.mp4 cannot be published: .*FLV.*ffmpeg -i/],
    [URL_OF_STREAM, { file: silent }, /silent\.flv cannot be published: the file has no H\.264 video/],
    [
      'srt://127.0.0.1:9000',
      { file: unusual },
      /cannot be published: .*channelConfiguration from 1 to 7, got 0/,
    ],
    ['rtmp://127.0.0.1/live/%d1%82', { streams: '2' }, /put %d/],
    [URL_OF_STREAM, { file: directory }, /cannot be published: EISDIR/],
    [URL_OF_STREAM, { duration: 'long' }, /A duration is a number with a unit/],
  ];
  for (const [url, args, message] of wrong) {
    await assert.rejects(
      publish(url, { streams: '1', out, ...args }, { ...surroundings(), run }),
      (error) => {
        assert.ok(error instanceof UsageError, String(error));
        assert.match(error.message, message);
        return true;
      },
    );
  }
  assert.throws(() => readdirSync(out), { code: 'ENOENT' });
});
