/** Runner `compose`: every node is a container; Docker Compose starts and ends them, Docker's command line controls them. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '../cluster.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import { isFree, isFreeUdp } from '../ports.ts';
import { renderCompose } from '../render/compose.ts';
import { LAB_SETTINGS } from '../render/compose-config.ts';
import {
  blockOf,
  DEFAULT_PLACEMENT,
  IMAGES,
  type PlacedCluster,
  type PlacedNode,
  type Placement,
  PORTS_OF_ALL,
  placeCluster,
  profileOf,
} from '../render/compose-plan.ts';
import type { MediaSettings, Topology } from '../topology.ts';
import { runCommand } from './command.ts';
import { ContainerLogs } from './compose-logs.ts';
import { type Docker, docker, findDocker, standinsOf, usedSubnets } from './docker.ts';
import { attachExternal, type Owner } from './external.ts';
import type { Control } from './external-node.ts';
import { openFilesLimit } from './launch.ts';
import type { Target } from './target.ts';

export interface ComposeOptions {
  readonly topology: Topology;
  /** docker-compose.yml and the configurations go here; made when missing. */
  readonly runDir: string;
  /** Of the Compose project: names of containers begin with it. Default `liveproof`. */
  readonly project?: string;
  readonly settings?: Partial<MediaSettings>;
  /** First of the published ports. Default: those of the committed docker-compose.yml, or others where they are taken. */
  readonly basePort?: number;
  /**
   * Nodes that name each other to players are reached at the containers' own addresses, as on Linux they can be, and not at
   * the published ports. Default false.
   */
  readonly direct?: boolean;
  /** What nodes write is followed into files of `runDir`, until the cluster is down. Default false: it may outlive us. */
  readonly logs?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string) => void;
}

/** Versions of images that are not what their name says begin with it. */
export const STANDIN = 'stand-in';

/** Where the sources are that images are made of. */
const SOURCES = fileURLToPath(new URL('../..', import.meta.url));
const OPEN_FILES = 65_536;
/** Images are pulled and made first. */
const UP_WITHIN_MS = 15 * 60_000;
const DOWN_WITHIN_MS = 2 * 60_000;
const CONTROL_WITHIN_MS = 30_000;
const READY_WITHIN_MS = 60_000;
const STOP_SECONDS = '2';
/** A subnet is /20: sixteen values of the third octet. */
const OCTETS = { first: DEFAULT_PLACEMENT.octet, step: 16, count: 11 };
const BASE_PORTS = { first: DEFAULT_PLACEMENT.basePort, step: PORTS_OF_ALL, count: 6 };

/** Throws `lab.unknown` for a topology that docker-compose.yml does not have. */
export function requireProfile(topology: string): void {
  if (profileOf(topology) === undefined) {
    throw new LabError(LabErrorCode.Unknown, `${topology} is no profile of docker-compose.yml`);
  }
}

/** Resolves when every node answers; rejects with a LabError, and nothing is left then. */
export async function startCompose(options: ComposeOptions): Promise<Cluster> {
  const project = await ComposeProject.prepare(options);
  try {
    return await project.start();
  } catch (error) {
    await project.down();
    throw error;
  }
}

export class ComposeProject implements Owner {
  readonly readyWithinMs = READY_WITHIN_MS;
  /** Docker takes its network away with it. */
  readonly killed = 'silent';
  readonly program: Docker;
  readonly placement: Required<Placement>;
  readonly cluster: PlacedCluster;
  readonly name: string;
  readonly #options: ComposeOptions;
  readonly #pids = new Map<string, number>();
  readonly #containers = new Map<string, string>();
  readonly #logs: ContainerLogs | undefined;
  #standins: readonly string[] = [];

  /** Writes docker-compose.yml and all that it mounts. */
  static async prepare(options: ComposeOptions): Promise<ComposeProject> {
    const program = await findDocker();
    requireProfile(options.topology.name);
    const profile = profileOf(options.topology.name)!;
    const placement = await freePlacement(profile, options.basePort);
    const runDir = path.resolve(options.runDir);
    const { compose, files } = renderCompose({
      profiles: [profile],
      placement,
      settings: options.settings ?? {},
      openFiles: Math.min(OPEN_FILES, Math.floor(openFilesLimit() / 2)),
      configs: './configs',
      sources: SOURCES,
    });
    for (const [name, text] of files) {
      const file = path.join(runDir, 'configs', name);
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
      writeFileSync(file, text);
      // The users of containers have to read it, whatever the umask of this one.
      chmodSync(file, 0o644);
    }
    writeFileSync(path.join(runDir, 'docker-compose.yml'), compose);
    return new ComposeProject(options, program, placement);
  }

  /** One that was brought up before, by another process. */
  static async reopen(options: ComposeOptions, placement: Required<Placement>): Promise<ComposeProject> {
    return new ComposeProject(options, await findDocker(), placement);
  }

  private constructor(options: ComposeOptions, program: Docker, placement: Required<Placement>) {
    this.#options = options;
    this.program = program;
    this.placement = placement;
    requireProfile(options.topology.name);
    this.cluster = placeCluster(profileOf(options.topology.name)!, placement);
    this.name = options.project ?? 'liveproof';
    this.#logs = options.logs === true ? new ContainerLogs(path.resolve(options.runDir)) : undefined;
  }

  /** What of its images is not what its name says. */
  get standins(): readonly string[] {
    return this.#standins;
  }

  /** Brings it up; resolves when every node answers. Rejects with a LabError, and `down` is wanted then. */
  async start(): Promise<Cluster> {
    const { settings, signal } = this.#options;
    await this.up();
    return attachExternal({
      target: this.target(),
      allowDisruption: true,
      expected: settings ?? {},
      owner: this,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async up(): Promise<void> {
    const { onProgress, signal } = this.#options;
    onProgress?.(`images of ${this.cluster.topology.name}`);
    const hasOwn = this.cluster.nodes.some(({ image }) => image === 'node' || image === 'nginx-rtmp');
    try {
      // Sources may have changed since the image was made.
      if (hasOwn) await this.#compose(['build', '--quiet'], UP_WITHIN_MS, signal);
      onProgress?.(`containers of ${this.cluster.topology.name}`);
      await this.#compose(['up', '--detach', '--no-build'], UP_WITHIN_MS, signal);
    } catch (error) {
      if (signal?.aborted) throw new LabError(LabErrorCode.Aborted, 'the start was interrupted');
      throw new LabError(LabErrorCode.Exited, `Compose did not bring it up: ${(error as Error).message}`, {
        log: await this.#lastLines(),
        cause: error,
      });
    }
    for (const { service, spec } of this.cluster.nodes) {
      const filter = [
        `label=com.docker.compose.project=${this.name}`,
        `label=com.docker.compose.service=${service}`,
      ].flatMap((one) => ['--filter', one]);
      this.#containers.set(spec.name, await docker(['ps', '--all', '--quiet', '--no-trunc', ...filter]));
      await this.#notePid(spec.name);
      this.#logs?.follow(spec.name, this.#containers.get(spec.name)!);
    }
    this.#standins = await standinsOf(this.cluster.nodes.map(({ image }) => IMAGES[image]));
  }

  /** The cluster as an external one: its published ports, and the addresses that its containers have. */
  target(): Target {
    const { topology, engine, nodes } = this.cluster;
    const direct = this.#options.direct === true && nodes.some(({ spec }) => spec.coworkers !== undefined);
    const { hls, srt, rtc } = { ...LAB_SETTINGS, ...this.#options.settings };
    return {
      schema: 'liveproof/target@1',
      name: this.name,
      topology: topology.name,
      engine,
      settings: { hls, ...(srt === undefined ? {} : { srt }), ...(rtc === undefined ? {} : { rtc }) },
      nodes: nodes.map(({ spec, ip, inner, outer }) => ({
        name: spec.name,
        // An origin that sends players to another one names the address that all containers know it by.
        ...(direct ? { host: ip, ports: portsOf(inner, outer) } : { host: '127.0.0.1', ports: outer }),
        addresses: [ip],
      })),
    };
  }

  controls(node: string): Record<Control, () => Promise<void>> {
    const { ip, service } = this.#placed(node);
    const network = `${this.name}_liveproof`;
    const run = async (...args: string[]): Promise<void> => {
      await docker(args, { timeoutMs: CONTROL_WITHIN_MS });
    };
    const container = (): string => this.#containers.get(node)!;
    return {
      kill: () => run('kill', container()),
      restart: async () => {
        const since = new Date();
        await run('restart', '--time', '0', container());
        this.#logs?.follow(node, container(), since);
        await this.#notePid(node);
      },
      freeze: () => run('pause', container()),
      thaw: () => run('unpause', container()),
      disconnect: () => run('network', 'disconnect', network, container()),
      reconnect: () => run('network', 'connect', '--ip', ip, '--alias', service, network, container()),
    };
  }

  pid(node: string): number {
    return this.#pids.get(node) ?? 0;
  }

  logFile(node: string): string {
    return this.#logs?.fileOf(node) ?? '';
  }

  /** By image: a version where it is one of theirs, and what stands in for it where it is not. */
  async versions(): Promise<Record<string, string>> {
    const { engine, compose, composeVersion } = this.program;
    const images = [...new Set(this.cluster.nodes.map(({ image }) => IMAGES[image]))];
    return {
      docker: engine,
      [compose.join(' ')]: composeVersion,
      ...Object.fromEntries(
        images.map((image) => {
          const [name = '', tag = ''] = image.split(':');
          return [name, this.#standins.includes(image) ? `${STANDIN} for ${tag}` : tag];
        }),
      ),
    };
  }

  /** Of every node, as Docker tells it. */
  async status(): Promise<{ name: string; role: string; image: string; status: string }[]> {
    const own = ['--filter', `label=com.docker.compose.project=${this.name}`];
    const format = '{{.Label "com.docker.compose.service"}}\t{{.Status}}';
    const told = new Map(
      (await docker(['ps', '--all', ...own, '--format', format]))
        .split('\n')
        .map((line) => line.split('\t') as [string, string]),
    );
    return this.cluster.nodes.map(({ spec, service, image }) => ({
      name: spec.name,
      role: spec.role,
      image: IMAGES[image],
      status: told.get(service) ?? 'gone',
    }));
  }

  async down(): Promise<void> {
    await this.#logs?.end();
    // What is paused does not end.
    for (const id of await this.#ids('--filter', 'status=paused'))
      await docker(['unpause', id]).catch(() => {});
    // Somebody may have started what watches it.
    const all = ['--profile', 'monitoring', 'down'];
    await this.#compose([...all, '--volumes', '--remove-orphans', '--timeout', STOP_SECONDS], DOWN_WITHIN_MS);
    const left = await this.#ids();
    if (left.length > 0) await docker(['rm', '--force', '--volumes', ...left]);
  }

  async #ids(...filter: string[]): Promise<string[]> {
    const own = ['--filter', `label=com.docker.compose.project=${this.name}`];
    return (await docker(['ps', '--all', '--quiet', ...own, ...filter])).split('\n').filter(Boolean);
  }

  async #notePid(node: string): Promise<void> {
    const told = await docker(['inspect', '--format', '{{.State.Pid}}', this.#containers.get(node)!]);
    this.#pids.set(node, Number(told) || 0);
  }

  async #lastLines(): Promise<string[]> {
    const { stdout } = await this.#compose(['logs', '--no-color', '--tail', '10'], CONTROL_WITHIN_MS).catch(
      () => ({ stdout: '' }),
    );
    return stdout.split('\n').slice(-40);
  }

  #compose(args: readonly string[], timeoutMs: number, signal?: AbortSignal) {
    const { runDir } = this.#options;
    const file = path.resolve(runDir, 'docker-compose.yml');
    return runCommand(
      [...this.program.compose, '-p', this.name, '-f', file, '--profile', this.cluster.profile, ...args],
      // Compose is a process that docker has started: it would go on without that.
      { timeoutMs, apart: true, cwd: path.resolve(runDir), ...(signal === undefined ? {} : { signal }) },
    );
  }

  #placed(node: string): PlacedNode {
    return this.cluster.nodes.find(({ spec }) => spec.name === node)!;
  }
}

/** Those of a node that are published, by the numbers that they have in its container. */
function portsOf(inner: PlacedNode['inner'], outer: PlacedNode['outer']): PlacedNode['outer'] {
  return Object.fromEntries(Object.entries(inner).filter(([kind]) => kind in outer));
}

/** Ports that are free now, and a subnet that no network of this engine has. Rejects with `lab.port`. */
async function freePlacement(
  profile: PlacedCluster['profile'],
  basePort: number | undefined,
): Promise<Required<Placement>> {
  const used = await usedSubnets();
  const octet = Array.from({ length: OCTETS.count }, (_, i) => OCTETS.first + i * OCTETS.step).find(
    (one) => !used.some((subnet) => Math.floor(thirdOctetOf(subnet) / OCTETS.step) * OCTETS.step === one),
  );
  if (octet === undefined) throw new LabError(LabErrorCode.Port, 'every subnet of 198.19.0.0/16 is taken');
  const choices =
    basePort === undefined
      ? Array.from({ length: BASE_PORTS.count }, (_, i) => BASE_PORTS.first + i * BASE_PORTS.step)
      : [basePort - blockOf(profile)];
  let taken = '';
  for (const choice of choices) {
    const placement = { basePort: choice, octet };
    const first = await firstTaken(placeCluster(profile, placement));
    if (first === undefined) return placement;
    taken = first;
  }
  throw new LabError(LabErrorCode.Port, `${taken} is taken; choose another base port`);
}

async function firstTaken({ nodes }: PlacedCluster): Promise<string | undefined> {
  for (const { outer } of nodes) {
    for (const [kind, port] of Object.entries(outer)) {
      const isUdp = kind === 'srt' || kind === 'rtc';
      if (!(await (isUdp ? isFreeUdp('127.0.0.1', port) : isFree('127.0.0.1', port))))
        return `127.0.0.1:${port}`;
    }
  }
  return undefined;
}

/** Of a subnet in 198.19.0.0/16; -1 of another. */
function thirdOctetOf(subnet: string): number {
  return Number(/^198\.19\.(\d+)\./.exec(subnet)?.[1] ?? -1);
}
