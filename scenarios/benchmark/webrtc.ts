/** What WHEP players cost: N of them in one process of their own, every frame measured, against a server that is there. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { wallClock } from '../../drivers/measure/clock.ts';
import { FrameMeter, MeterHistograms } from '../../drivers/measure/meter.ts';
import { MediaSource, SourceCursor } from '../../drivers/measure/source.ts';
import { HealthMonitor } from '../../drivers/swarm/health.ts';
import { webRtcSnapshot } from '../../drivers/webrtc/figures.ts';
import { WhepPlayer } from '../../drivers/webrtc/player.ts';
import { WhipPublisher } from '../../drivers/webrtc/publisher.ts';
import { optionsOf } from './options.ts';

const USAGE = `node --import tsx scenarios/benchmark/webrtc.ts --url whep://… [--publish whip://…]
  --clients N       players              (200)
  --window SECONDS  of the measurement   (6)
  --publish URL     publish the fixture there meanwhile`;

/** Between two joins. */
const RAMP_MS = 15;
const SETTLE_MS = 3000;
const MEDIA = fileURLToPath(new URL('../../fixtures/media/av-480k.flv', import.meta.url));

interface Task {
  readonly url: string;
  readonly clients: number;
  readonly windowMs: number;
}

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function measure({ url, clients, windowMs }: Task) {
  const reasons: Record<string, number> = {};
  const histograms = new MeterHistograms();
  const meters: FrameMeter[] = [];
  const players: WhepPlayer[] = [];
  const observer = {
    onClosed: (_: unknown, { code }: { code: string }) => {
      reasons[code] = (reasons[code] ?? 0) + 1;
    },
  };
  const rss = process.memoryUsage().rss;
  const joins = process.cpuUsage();
  for (let index = 0; index < clients; index++) {
    const meter = new FrameMeter(histograms);
    const player = new WhepPlayer(url, meter, {}, observer);
    meter.attach(player.timing);
    meters.push(meter);
    players.push(player);
    player.open();
    await after(RAMP_MS);
  }
  await after(SETTLE_MS);
  const joined = process.cpuUsage(joins);
  const frames = (): number => meters.reduce((sum, meter) => sum + meter.received, 0);
  const packets = (): number => players.reduce((sum, { rtp }) => sum + rtp.packets, 0);
  const health = new HealthMonitor();
  const [framesBefore, packetsBefore, cpu, at] = [frames(), packets(), process.cpuUsage(), performance.now()];
  await after(windowMs);
  const seconds = (performance.now() - at) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const cores = (user + system) / 1e6 / seconds;
  return {
    coresPer1000: (cores / clients) * 1000,
    joinAndSettleCpuMs: (joined.user + joined.system) / 1000 / clients,
    streaming: players.filter(({ state }) => state === 'streaming').length,
    framesPerSecondEach: (frames() - framesBefore) / seconds / clients,
    packetsPerSecondEach: (packets() - packetsBefore) / seconds / clients,
    corrupt: meters.reduce((sum, meter) => sum + meter.corrupt, 0),
    missing: meters.reduce((sum, meter) => sum + meter.continuity.missing, 0),
    loopLagP99Ms: health.read().loopLagP99Ms,
    kbPerClient: (process.memoryUsage().rss - rss) / 1024 / clients,
    latencyP50Ms: histograms.steady.percentile(50),
    ...webRtcSnapshot(players),
    reasons,
  };
}

function publish(url: string): WhipPublisher {
  const source = MediaSource.load(MEDIA);
  const cursor = new SourceCursor(source);
  let timer: NodeJS.Timeout | undefined;
  const publisher: WhipPublisher = new WhipPublisher(
    url,
    {},
    {
      onState(_, state) {
        clearInterval(timer);
        if (state !== 'streaming') return;
        setImmediate(() => {
          for (const { type, body } of source.headers) publisher.send(type, 0, body);
          const origin = performance.now();
          let frame = 0;
          timer = setInterval(() => {
            while (origin + cursor.timestamp <= performance.now()) {
              const { item, timestamp } = cursor;
              const body = item.template?.write(1, frame, wallClock.now()) ?? item.body;
              if (item.template !== undefined) frame++;
              publisher.send(item.type, timestamp, body);
              cursor.advance();
            }
          }, 5);
        });
      },
      onClosed: (_, { code, detail }) => console.error(`publisher: ${code} ${detail}`),
    },
  );
  publisher.open();
  return publisher;
}

async function main(): Promise<void> {
  const values = optionsOf(
    {
      url: { type: 'string' },
      clients: { type: 'string', default: '200' },
      window: { type: 'string', default: '6' },
      publish: { type: 'string' },
    },
    USAGE,
  );
  const [clients, windowMs] = [Number(values.clients), Number(values.window) * 1000];
  if (values.url === undefined || !(clients > 0) || !(windowMs > 0)) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const publisher = values.publish === undefined ? undefined : publish(values.publish);
  await after(publisher === undefined ? 0 : 1000);
  const child = fork(fileURLToPath(import.meta.url), ['--players'], { execArgv: ['--import', 'tsx'] });
  child.send({ url: values.url, clients, windowMs } satisfies Task);
  const [result] = (await once(child, 'message')) as [Awaited<ReturnType<typeof measure>>];
  console.log(
    `${cpus()[0]?.model ?? 'cpu'}, ${availableParallelism()} cores, Node ${process.version}; datachannel client`,
  );
  console.log(JSON.stringify(result, null, 2));
  console.log(`${result.coresPer1000.toFixed(2)} cores per 1000 players (${clients} measured)`);
  publisher?.close();
  if (result.streaming < clients) process.exitCode = 3;
}

if (process.argv[2] === '--players') {
  process.once('message', (task: Task) => {
    void measure(task).then((result) => process.send?.(result, undefined, undefined, () => process.exit()));
  });
} else await main();
