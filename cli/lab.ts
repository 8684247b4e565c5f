import { type Command, Option } from 'commander';
import { labDown, labStatus, labUp } from '../lab/daemon.ts';
import { composeDown, refuseWhileComposed } from '../lab/runners/compose-lab.ts';
import { DEFAULT_TOPOLOGY, TOPOLOGIES, topologyByName } from '../lab/topologies/index.ts';
import { enginesOf } from '../lab/topology.ts';
import {
  engineOption,
  OPEN_UDP,
  parsePort,
  proxyOption,
  refuseProxyWithoutCluster,
  refuseSrsWithoutProgram,
  runnerOption,
} from './gate-options.ts';
import { listenForInterrupt } from './interrupt.ts';
import { chooseRunner, composedStatus, upInContainers } from './lab-compose.ts';
import {
  type DirectoryOption,
  EXIT_INTERRUPTED,
  noteOnHls,
  type UpCommandOptions,
  urls,
} from './lab-words.ts';
import { ExitCode, isTerminal, painter, table, UsageError } from './output.ts';

export function register(program: Command): void {
  const lab = program
    .command('lab')
    .description('A cluster on this machine that stays up until it is taken down.')
    .addHelpText(
      'after',
      `
Examples:
  liveproof lab up                               the edge cluster: containers where Docker answers, else processes
  liveproof lab up --engine srs --srs ./objs/srs the same cluster of a real SRS
  liveproof lab up --topology forward-cluster    HAProxy, masters, slaves, edges, Nginx
  liveproof lab status
  liveproof lab down`,
    );

  lab
    .command('up')
    .description('Bring a cluster up, and print where to publish to and play from.')
    .addOption(
      new Option('--topology <name>', 'the cluster')
        .choices(TOPOLOGIES.map((topology) => topology.name))
        .default(DEFAULT_TOPOLOGY),
    )
    .addOption(runnerOption())
    .addOption(engineOption())
    .addOption(new Option('--srs <path>', 'the srs binary for engine srs').env('SRS_BIN'))
    .addOption(proxyOption())
    .option('--open-udp', OPEN_UDP)
    .option('--base-port <port>', 'first of the ports, instead of SRS’s own where they are free', parsePort)
    .addOption(directoryOption())
    .addHelpText(
      'after',
      `
Without --runner: compose where a Docker engine and Docker Compose answer, else process. Builtin nodes, --srs, --proxy and
--open-udp are of runner process.
HLS is cut into segments of 2 s, of which a playlist holds 12 s; players have no sessions, so that caches work.

Exit codes: 0 up; 2 wrong use, or a lab is up already; 4 it did not come up.

Examples:
  liveproof lab up
  liveproof lab up --runner process
  liveproof lab up --runner compose --topology proxy-redis
  liveproof lab up --topology nginx-rtmp
  liveproof lab up --topology proxy-cluster --proxy ./srs-proxy
  liveproof lab up --base-port 21000
  SRS_BIN=/usr/local/srs/objs/srs liveproof lab up --engine srs

Then (of runner process; of containers, at the ports that are printed):
  ffmpeg -re -i video.flv -c copy -f flv rtmp://127.0.0.1:1935/live/livestream
  ffplay http://127.0.0.1:8080/live/livestream.flv
URLs of SRT are to be put in single quotes:
  ffmpeg -re -i video.flv -c copy -f mpegts 'srt://127.1.0.2:10080?streamid=#!::r=live/livestream,m=publish'`,
    )
    .action(up);

  lab
    .command('down')
    .description('Take the cluster down. Nothing is left running, also after a crash.')
    .addOption(directoryOption())
    .addHelpText(
      'after',
      `
Exit codes: 0 nothing is up any more; 2 wrong use.

Examples:
  liveproof lab down
  liveproof lab down --dir out/other-lab`,
    )
    .action(down);

  lab
    .command('status')
    .description('Show the nodes of the cluster, and its URLs.')
    .addOption(directoryOption())
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
Exit codes: 0 up and whole; 1 up, but a node is not ready, the daemon is gone, or it has
not come up whole; 2 wrong use; 3 not up.

Examples:
  liveproof lab status
  liveproof lab status --json`,
    )
    .action(status);
}

function directoryOption(): Option {
  return new Option('--dir <dir>', 'where the lab keeps its state and its logs; one lab each').default(
    'out/lab',
  );
}

async function up(options: UpCommandOptions): Promise<void> {
  const { runner, why } = await chooseRunner(options);
  console.log(`runner ${runner}: ${why}`);
  await (runner === 'compose' ? upInContainers(options) : upAsProcesses(options));
}

async function upAsProcesses(options: UpCommandOptions): Promise<void> {
  refuseWhileComposed(options.dir);
  const topology = topologyByName(options.topology);
  const engines = enginesOf(topology);
  const engine = options.engine ?? engines[0]!;
  if (!engines.includes(engine)) {
    throw new UsageError(`Engine ${engine} cannot play ${options.topology}; ${engines.join(' and ')} can.`);
  }
  refuseSrsWithoutProgram([engine], options.srs);
  refuseProxyWithoutCluster([topology], options.proxy);
  const interruption = listenForInterrupt();
  const live = isTerminal(process.stderr);
  const ready: string[] = [];
  try {
    const state = await labUp({
      directory: options.dir,
      topology: options.topology,
      engine,
      signal: interruption.signal,
      ...(options.srs === undefined ? {} : { srsPath: options.srs }),
      ...(options.proxy === undefined ? {} : { proxyPath: options.proxy }),
      openUdp: options.openUdp === true,
      ...(options.basePort === undefined ? {} : { basePort: options.basePort }),
      onProgress({ node, state, elapsedMs }) {
        if (state !== 'ready') return;
        ready.push(node);
        if (live) process.stderr.write(`\r\u001b[Kready: ${ready.join(', ')}`);
        else process.stderr.write(`ready: ${node} (${Math.round(elapsedMs)} ms)\n`);
      },
    });
    if (live) process.stderr.write('\r\u001b[K');
    const paint = painter(process.stdout);
    console.log(`${paint('green', 'up')}: ${state.topology}, engine ${state.engine}\n`);
    console.log(urls(state));
    const note = noteOnHls(topologyByName(state.topology));
    if (note !== undefined) console.log(`\n${note}`);
    console.log(`\nLogs are in ${options.dir}. \`lab status\` looks at it, \`lab down\` ends it.`);
  } catch (error) {
    if (live) process.stderr.write('\r\u001b[K');
    if (!interruption.signal.aborted) throw error;
    console.error('interrupted: everything was taken down');
    process.exitCode = EXIT_INTERRUPTED;
  } finally {
    interruption.release();
  }
}

async function down({ dir }: DirectoryOption): Promise<void> {
  const wasUp = (await composeDown(dir)) || (await labDown(dir));
  console.log(wasUp ? 'down' : 'no lab is up');
}

async function status({ dir, json }: DirectoryOption & { readonly json?: boolean }): Promise<void> {
  if (await composedStatus(dir, json === true)) return;
  const found = await labStatus(dir);
  if (found === undefined) {
    console.log(json ? JSON.stringify({ up: false }) : 'no lab is up');
    process.exitCode = ExitCode.inconclusive;
    return;
  }
  const { state, daemon, nodes } = found;
  const whole = daemon && state.phase === 'up' && nodes.every((node) => node.state === 'ready');
  if (!whole) process.exitCode = ExitCode.fail;
  if (json) {
    const { topology, engine, startedAt, entries } = state;
    console.log(JSON.stringify({ up: true, whole, topology, engine, startedAt, daemon, nodes, entries }));
    return;
  }
  const paint = painter(process.stdout);
  const age = Math.round((Date.now() - state.startedAt) / 1000);
  console.log(`${state.topology}, engine ${state.engine}, ${state.phase} for ${age} s\n`);
  const rows = nodes.map((node) => [
    node.name,
    node.role,
    node.engine,
    String(node.pid),
    paint(node.state === 'ready' ? 'green' : 'red', node.state),
    node.rssMb.toFixed(0),
    node.cpuSeconds.toFixed(1),
    node.clients === undefined ? '?' : String(node.clients),
  ]);
  const head = ['node', 'role', 'engine', 'pid', 'state', 'RSS MB', 'CPU s', 'clients'];
  console.log(`${table(head, rows, { right: [3, 5, 6, 7], paint })}\n`);
  console.log(urls(state));
  if (!daemon) {
    console.log(
      `\n${paint('red', 'The daemon is gone')}, and the taps with it: \`lab down\` clears what is left.`,
    );
  }
}
