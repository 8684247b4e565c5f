/** What Prometheus is told of a run: names, labels and units by its conventions, all values out of the run's results. */
import { areaOf } from '../format.ts';
import type { Load, Publish, Results } from '../results.ts';
import { VERDICTS } from '../results.ts';
import { BENCH } from './families-bench.ts';
import { type Family, type Labels, MEGABYTE, type NumberFamily } from './family.ts';

const none: Labels = {};

function load(of: (load: Load) => (readonly [Labels, number])[]): NumberFamily['values'] {
  return ({ load: figures }) => (figures === undefined ? [] : of(figures));
}

function publish(of: (publish: Publish) => (readonly [Labels, number])[]): NumberFamily['values'] {
  return ({ publish: figures }) => (figures === undefined ? [] : of(figures));
}

function labelled(label: string, counts: Readonly<Record<string, number>>): (readonly [Labels, number])[] {
  return Object.entries(counts).map(([name, count]) => [{ [label]: name }, count] as const);
}

function clusters(
  of: (place: Labels, cluster: NonNullable<Results['clusters']>[number]) => (readonly [Labels, number])[],
): NumberFamily['values'] {
  return ({ clusters: all = [] }) =>
    all.flatMap((cluster) => of({ topology: cluster.topology, engine: cluster.engine }, cluster));
}

const RUN: readonly Family[] = [
  {
    name: 'liveproof_run_info',
    type: 'gauge',
    help: 'Always 1; the labels tell of the run',
    labels: ['kind', 'version'],
    values: ({ kind, environment }) => [[{ kind, version: environment.liveproof }, 1]],
  },
  {
    name: 'liveproof_run_start_time_seconds',
    type: 'gauge',
    help: 'When the run began, Unix time',
    values: ({ startedAt }) => [[none, Date.parse(startedAt) / 1000]],
  },
  {
    name: 'liveproof_findings_total',
    type: 'counter',
    help: 'Checks that were judged',
    labels: ['topology', 'engine', 'area', 'verdict'],
    values({ findings }) {
      const counts = new Map<string, [Labels, number]>();
      for (const { topology, engine, check, verdict } of findings) {
        const labels = { topology, engine, area: areaOf(check), verdict };
        const key = JSON.stringify(labels);
        counts.set(key, [labels, (counts.get(key)?.[1] ?? 0) + 1]);
      }
      return [...counts.values()];
    },
  },
  {
    name: 'liveproof_verdict',
    type: 'gauge',
    help: 'Worst verdict so far, as the place in: pass 0, unsupported 1, inconclusive 2, fail 3, error 4',
    values: ({ findings, verdict }) => (findings.length === 0 ? [] : [[none, VERDICTS.indexOf(verdict)]]),
  },
];

const CLUSTERS: readonly Family[] = [
  {
    name: 'liveproof_link_open_connections',
    type: 'gauge',
    help: 'Connections that are open, by the taps',
    labels: ['topology', 'engine', 'from', 'to', 'carries'],
    values: clusters((place, { links }) =>
      links.flatMap(({ from, to, taps }) =>
        taps.map(({ carries, open }) => [{ ...place, from, to, carries }, open] as const),
      ),
    ),
  },
  {
    name: 'liveproof_link_connections_total',
    type: 'counter',
    help: 'Connections so far, by the taps',
    labels: ['topology', 'engine', 'from', 'to', 'carries'],
    values: clusters((place, { links }) =>
      links.flatMap(({ from, to, taps }) =>
        taps.map(({ carries, connections }) => [{ ...place, from, to, carries }, connections] as const),
      ),
    ),
  },
  {
    name: 'liveproof_link_bytes_total',
    type: 'counter',
    help: 'Bytes that passed the taps; up is towards the node that is connected to',
    labels: ['topology', 'engine', 'from', 'to', 'carries', 'direction'],
    values: clusters((place, { links }) =>
      links.flatMap(({ from, to, taps }) =>
        taps.flatMap(({ carries, bytesUp, bytesDown }) => [
          [{ ...place, from, to, carries, direction: 'up' }, bytesUp] as const,
          [{ ...place, from, to, carries, direction: 'down' }, bytesDown] as const,
        ]),
      ),
    ),
  },
  {
    name: 'liveproof_node_cpu_seconds',
    type: 'gauge',
    help: 'CPU time of a node since its process was last started',
    labels: ['topology', 'engine', 'node', 'role'],
    values: clusters((place, { nodes }) =>
      nodes.flatMap(({ name, role, cpuSeconds }) =>
        cpuSeconds === null ? [] : [[{ ...place, node: name, role }, cpuSeconds] as const],
      ),
    ),
  },
  {
    name: 'liveproof_node_resident_memory_bytes',
    type: 'gauge',
    help: 'Memory of a node',
    labels: ['topology', 'engine', 'node', 'role'],
    values: clusters((place, { nodes }) =>
      nodes.flatMap(({ name, role, rssMb }) =>
        rssMb === null ? [] : [[{ ...place, node: name, role }, rssMb * MEGABYTE] as const],
      ),
    ),
  },
];

const LOAD: readonly Family[] = [
  {
    name: 'liveproof_load_clients',
    type: 'gauge',
    help: 'Players that were asked for',
    values: load(({ clients }) => [[none, clients.requested]]),
  },
  {
    name: 'liveproof_load_clients_total',
    type: 'counter',
    help: 'Players that joined, that never did, and that were lost after they had',
    labels: ['outcome'],
    values: load(({ clients: { joined, failed, dropped } }) =>
      labelled('outcome', { joined, failed, dropped }),
    ),
  },
  {
    name: 'liveproof_load_errors_total',
    type: 'counter',
    help: 'Players that failed or were dropped, by reason',
    labels: ['reason'],
    values: load(({ reasons }) => labelled('reason', reasons)),
  },
  {
    name: 'liveproof_load_received_bytes_total',
    type: 'counter',
    help: 'Bytes read from the sockets of all players',
    values: load(({ bytes }) => [[none, bytes]]),
  },
  {
    name: 'liveproof_load_frames_total',
    type: 'counter',
    help: 'Video frames received by all players, with and without a stamp',
    values: load(({ frames }) => [[none, frames.received]]),
  },
  {
    name: 'liveproof_load_frame_faults_total',
    type: 'counter',
    help: 'Video frames that are not as they were sent, or never came',
    labels: ['fault'],
    values: load(({ frames: { received: _, ...faults } }) => labelled('fault', faults)),
  },
  {
    name: 'liveproof_load_stalls_total',
    type: 'counter',
    help: 'Times that a picture stood still',
    values: load(({ stalls }) => [[none, stalls.count]]),
  },
  {
    name: 'liveproof_load_stall_ratio',
    type: 'gauge',
    help: 'Stalled time / (played and stalled) time',
    values: load(({ stalls }) => [[none, stalls.ratio]]),
  },
  {
    name: 'liveproof_load_latency_seconds',
    type: 'histogram',
    help: 'From the stamp of a frame to its arrival; join: frames that were old by design',
    labels: ['phase'],
    values: ({ load: figures }) =>
      figures === undefined
        ? []
        : [
            [{ phase: 'steady' }, figures.latency.steady],
            [{ phase: 'join' }, figures.latency.join],
          ],
  },
  {
    name: 'liveproof_load_startup_seconds',
    type: 'histogram',
    help: 'From opening to the first picture of the player model',
    values: ({ load: figures }) => (figures === undefined ? [] : [[none, figures.startup]]),
  },
  {
    name: 'liveproof_load_hls_requests_total',
    type: 'counter',
    help: 'HLS requests that were answered, and that failed',
    labels: ['object', 'outcome'],
    values: load(({ hls }) =>
      hls === undefined
        ? []
        : (['playlists', 'segments'] as const).flatMap((object) => [
            [{ object, outcome: 'answered' }, hls[object].requests - hls[object].failed] as const,
            [{ object, outcome: 'failed' }, hls[object].failed] as const,
          ]),
    ),
  },
  {
    name: 'liveproof_load_srt_packets_total',
    type: 'counter',
    help: 'SRT data packets by what became of them',
    labels: ['outcome'],
    values: load(({ srt }) => (srt === undefined ? [] : labelled('outcome', srt.packets))),
  },
  {
    name: 'liveproof_load_rtp_packets_total',
    type: 'counter',
    help: 'Received RTP packets',
    values: load(({ webrtc }) => (webrtc === undefined ? [] : [[none, webrtc.rtp.packets]])),
  },
  {
    name: 'liveproof_load_rtp_faults_total',
    type: 'counter',
    help: 'RTP packets of video that were lost, recovered, late or doubled',
    labels: ['fault'],
    values: load(({ webrtc }) => {
      if (webrtc === undefined) return [];
      const { lost, recovered, late, duplicated, malformed } = webrtc.rtp;
      return labelled('fault', { lost, recovered, late, duplicated, malformed });
    }),
  },
  {
    name: 'liveproof_load_problems_total',
    type: 'counter',
    help: 'What players bore and counted',
    labels: ['protocol', 'code'],
    values: load(({ hls, srt, webrtc }) =>
      Object.entries({ hls, srt, webrtc }).flatMap(([protocol, part]) =>
        Object.entries(part?.problems ?? {}).map(([code, count]) => [{ protocol, code }, count] as const),
      ),
    ),
  },
];

const PUBLISH: readonly Family[] = [
  {
    name: 'liveproof_publish_streams',
    type: 'gauge',
    help: 'Streams that were asked for',
    values: publish(({ clients }) => [[none, clients.requested]]),
  },
  {
    name: 'liveproof_publish_streams_total',
    type: 'counter',
    help: 'Streams that were accepted, that never were, and that were lost after they had been',
    labels: ['outcome'],
    values: publish(({ clients: { joined, failed, dropped } }) =>
      labelled('outcome', { accepted: joined, failed, dropped }),
    ),
  },
  {
    name: 'liveproof_publish_errors_total',
    type: 'counter',
    help: 'Streams that failed or were dropped, by reason',
    labels: ['reason'],
    values: publish(({ reasons }) => labelled('reason', reasons)),
  },
  {
    name: 'liveproof_publish_frames_total',
    type: 'counter',
    help: 'Video frames sent, each with a stamp',
    values: publish(({ frames }) => [[none, frames]]),
  },
  {
    name: 'liveproof_publish_sent_bytes_total',
    type: 'counter',
    help: 'Bytes sent, of all streams',
    values: publish(({ bytes }) => [[none, bytes]]),
  },
  {
    name: 'liveproof_publish_lag_seconds',
    type: 'histogram',
    help: 'By how much frames were sent later than due',
    values: ({ publish: figures }) => (figures === undefined ? [] : [[none, figures.lag]]),
  },
  {
    name: 'liveproof_publish_untaken_seconds',
    type: 'gauge',
    help: 'For how long what is due is not taken by the server now, of the stream that waits longest',
    values: publish(({ untaken }) => (untaken === undefined ? [] : [[none, untaken.lastMs / 1000]])),
  },
];

function generator(of: (health: Load['generator']) => number | undefined): NumberFamily['values'] {
  return ({ load: played, publish: published }) => {
    const health = (played ?? published)?.generator;
    const value = health === undefined ? undefined : of(health);
    return value === undefined ? [] : [[none, value]];
  };
}

const GENERATOR: readonly Family[] = [
  {
    name: 'liveproof_generator_healthy',
    type: 'gauge',
    help: '1 while the machine that runs the clients is fast enough for its figures to be those of the server',
    values: generator(({ healthy }) => (healthy ? 1 : 0)),
  },
  {
    name: 'liveproof_generator_loop_lag_p99_seconds',
    type: 'gauge',
    help: 'Event-loop lag of the worst worker, 99th percentile of the run',
    values: generator(({ loopLagP99Ms }) => loopLagP99Ms / 1000),
  },
  {
    name: 'liveproof_generator_cpu_cores',
    type: 'gauge',
    help: 'Mean of the run, all workers together',
    values: generator(({ cpuCores }) => cpuCores),
  },
  {
    name: 'liveproof_generator_resident_memory_bytes',
    type: 'gauge',
    help: 'Memory of all workers together',
    values: generator(({ rssMb }) => rssMb * MEGABYTE),
  },
  {
    name: 'liveproof_generator_udp_drops_total',
    type: 'counter',
    help: 'Datagrams that the system dropped at the sockets of the workers',
    values: generator(({ udpDrops }) => udpDrops),
  },
];

/** Every metric that a run may tell. */
export const FAMILIES: readonly Family[] = [...RUN, ...CLUSTERS, ...LOAD, ...PUBLISH, ...GENERATOR, ...BENCH];
