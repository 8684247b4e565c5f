/** The target file: a cluster that runs already, described for runner `external`. docs/targets.md is its manual. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { SRS_PATIENCE } from '../cluster.ts';
import { LabError, LabErrorCode } from '../errors.ts';
import { TOPOLOGIES, topologyByName } from '../topologies/index.ts';
import { isMediaRole, MEDIA_ROLES, type NodeSpec, type Topology } from '../topology.ts';

/** A program and its arguments. Nothing of it is seen by a shell. */
export type Command = readonly string[];

const MAX_FILE = 1024 * 1024;

const port = z.int().min(1).max(65_535);
/** Into URLs and connections as it is. */
const host = z.string().regex(/^[A-Za-z0-9._-]+$/, 'is a name or an IPv4 address, without a port');
const command = z
  .array(
    z.string().refine((word) => !word.includes('\0'), 'has a NUL in it'),
    {
      error: 'is a list, a program and its arguments, such as [docker, kill, edge-1]; no shell reads it',
    },
  )
  .min(1, 'names no program')
  .refine(([program]) => program !== '', 'names no program');
const milliseconds = z.number().positive();

const controls = z
  .strictObject({
    kill: command.optional(),
    restart: command.optional(),
    freeze: command.optional(),
    thaw: command.optional(),
    disconnect: command.optional(),
    reconnect: command.optional(),
  })
  .superRefine((given, context) => {
    for (const [one, back] of PAIRS) {
      if ((given[one] === undefined) === (given[back] === undefined)) continue;
      const [there, missing] = given[one] === undefined ? [back, one] : [one, back];
      // A restart alone does no harm that it does not make good.
      if (there === 'restart') continue;
      context.addIssue({
        code: 'custom',
        path: [there],
        message: `needs ${missing} beside it, so that the check can put things right again`,
      });
    }
  });
const PAIRS = [
  ['kill', 'restart'],
  ['freeze', 'thaw'],
  ['disconnect', 'reconnect'],
] as const;

const nodeForm = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'is made of a-z, 0-9 and -'),
  role: z
    .enum(['origin', 'edge', 'master', 'slave', 'balancer', 'web', 'proxy', 'redis', 'stream-manager'])
    .optional(),
  upstreams: z.array(z.string()).optional(),
  host,
  ports: z.strictObject({
    rtmp: port.optional(),
    http: port.optional(),
    api: port.optional(),
    srt: port.optional(),
    rtc: port.optional(),
    system: port.optional(),
    redis: port.optional(),
    stats: port.optional(),
  }),
  /** IP addresses that its connections to other nodes come from. */
  addresses: z
    .array(
      z.union([z.ipv4(), z.ipv6()], { error: 'is an IP address, as the HTTP API of the origin tells it' }),
    )
    .optional(),
  controls: controls.optional(),
});

const SCHEMES = {
  rtmp: 'rtmp:',
  flv: 'http:',
  hls: 'http:',
  dash: 'http:',
  vod: 'http:',
  api: 'http:',
  stat: 'http:',
  srt: 'srt:',
  webrtc: 'http:',
} as const;

const entryForm = z
  .strictObject({
    node: z.string(),
    use: z.enum(['publish', 'play', 'observe']),
    protocol: z.enum(Object.keys(SCHEMES) as (keyof typeof SCHEMES)[]),
    url: z.string(),
  })
  .superRefine(({ protocol, use, url }, context) => {
    const problem = problemOf(url, SCHEMES[protocol], use);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['url'], message: problem });
  });

function problemOf(url: string, scheme: string, use: string): string | undefined {
  if (!URL.canParse(url)) return 'is not a URL';
  if (new URL(url).protocol !== scheme) return `begins with ${scheme}// for this protocol`;
  if (use !== 'observe' && !url.includes('{stream}')) return 'has {stream} where the name of the stream goes';
  return undefined;
}

const targetForm = z
  .strictObject({
    schema: z.literal('liveproof/target@1'),
    name: z.string().min(1),
    topology: z.enum(TOPOLOGIES.map(({ name }) => name)),
    engine: z.enum(['builtin', 'srs', 'nginx-rtmp']).optional(),
    patience: z
      .strictObject({
        rtmpHandshake: milliseconds.default(SRS_PATIENCE.rtmpHandshake),
        httpRequest: milliseconds.default(SRS_PATIENCE.httpRequest),
        coworker: milliseconds.default(SRS_PATIENCE.coworker),
      })
      .optional(),
    killed: z.enum(['refuses', 'silent']).optional(),
    settings: z
      .strictObject({
        hls: z
          .strictObject({
            fragmentSeconds: z.number().positive(),
            windowSeconds: z.number().positive(),
            sessions: z.boolean(),
          })
          .optional(),
        srt: z
          .strictObject({
            latencyMs: z.number().min(0).optional(),
            peerLatencyMs: z.number().min(0).optional(),
            peerIdleMs: milliseconds.optional(),
            passphrase: z.string().min(10).max(79).optional(),
          })
          .optional(),
        rtc: z
          .strictObject({
            stunTimeoutSeconds: z.number().positive().optional(),
            pliSeconds: z.number().positive().optional(),
          })
          .optional(),
      })
      .optional(),
    nodes: z.array(nodeForm).min(1, 'names no node'),
    entries: z.array(entryForm).optional(),
  })
  .superRefine((target, context) => {
    const at = (where: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path: where, message });
    const names = target.nodes.map(({ name }) => name);
    const known = topologyByName(target.topology).nodes;
    for (const [index, { name, role, upstreams }] of target.nodes.entries()) {
      if (names.indexOf(name) !== index) at(['nodes', index, 'name'], `${name} is there already`);
      if (role === undefined && !known.some((spec) => spec.name === name)) {
        const those = known.map((spec) => spec.name).join(', ');
        at(['nodes', index], `needs a role: ${target.topology} has no ${name}, only ${those}`);
      }
      for (const [which, upstream] of (upstreams ?? []).entries()) {
        if (!names.includes(upstream)) {
          at(['nodes', index, 'upstreams', which], `is no node of this file: ${upstream}`);
        }
      }
    }
    for (const role of MEDIA_ROLES) {
      const wanted = Math.min(2, known.filter((spec) => spec.role === role).length);
      const there = target.nodes.filter(({ name, role: own }) => {
        return (own ?? known.find((spec) => spec.name === name)?.role) === role;
      });
      if (there.length >= wanted) continue;
      at(['nodes'], `has ${there.length} of role ${role}; the checks of ${target.topology} need ${wanted}`);
    }
    for (const [index, { node }] of (target.entries ?? []).entries()) {
      if (!names.includes(node)) at(['entries', index, 'node'], `is no node of this file: ${node}`);
    }
  });

export type Target = z.infer<typeof targetForm>;
export type TargetNode = Target['nodes'][number];

/** Reads and checks a target file. Throws `lab.target` that names line, place and what to do. */
export function readTarget(file: string): Target {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new LabError(LabErrorCode.Target, `${file} cannot be read: ${(error as Error).message}`);
  }
  return parseTarget(text, path.basename(file));
}

/** @param name of the file, for errors. */
export function parseTarget(text: string, name: string): Target {
  const lines = new LineCounter();
  const wrong = (problems: readonly string[]): LabError =>
    new LabError(LabErrorCode.Target, `${problems.join('\n')}\ndocs/targets.md describes the file`);
  if (text.length > MAX_FILE) throw wrong([`${name} is larger than ${MAX_FILE} bytes`]);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  if (document.errors.length > 0) {
    throw wrong(
      document.errors.map(({ message, pos }) => `${name}:${lines.linePos(pos[0]).line}: ${message}`),
    );
  }
  let content: unknown;
  try {
    // Few aliases: a file that unfolds into gigabytes is refused.
    content = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw wrong([`${name}: ${(error as Error).message}`]);
  }
  const result = targetForm.safeParse(content);
  if (result.success) return result.data;
  const lineOf = (place: readonly PropertyKey[]): number => {
    // A key that is missing is where it should be: in its parent.
    for (let length = place.length; length > 0; length -= 1) {
      const node = document.getIn(place.slice(0, length), true) as { range?: readonly number[] } | undefined;
      if (node?.range) return lines.linePos(node.range[0]!).line;
    }
    return 1;
  };
  throw wrong(
    result.error.issues.map(
      (issue) => `${name}:${lineOf(issue.path)}: ${placeOf(issue.path)} ${issue.message}`,
    ),
  );
}

/** `nodes[2].controls.kill`; the file itself is `it`. */
function placeOf(place: readonly PropertyKey[]): string {
  if (place.length === 0) return 'it';
  return place
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`))
    .join('');
}

/** Every host that checks would connect to. */
export function hostsOf({ nodes, entries = [] }: Target): string[] {
  return [
    ...new Set([...nodes.map((node) => node.host), ...entries.map(({ url }) => new URL(url).hostname)]),
  ];
}

/** The nodes as the model knows them: what the file does not say is as in the topology whose checks are run. */
export function topologyOf(target: Target): Topology {
  const known = topologyByName(target.topology);
  const names = new Set(target.nodes.map(({ name }) => name));
  const nodes = target.nodes.map(({ name, role, upstreams, ports }): NodeSpec => {
    const {
      srt: _srt,
      rtc: _rtc,
      ...model
    } = known.nodes.find((spec) => spec.name === name) ??
    ({ ...known.nodes.find((spec) => spec.role === role), name, upstreams: [] } as Partial<NodeSpec>);
    const own = role ?? model.role!;
    return {
      ...withPeers(name, model, target, known),
      name,
      role: own,
      upstreams: upstreams ?? (model.upstreams ?? []).filter((upstream) => names.has(upstream)),
      ...(isMediaRole(own) && ports.srt !== undefined ? { srt: true } : {}),
      ...(isMediaRole(own) && ports.rtc !== undefined ? { rtc: true } : {}),
    };
  });
  return { ...known, nodes, entries: known.entries.filter(({ node }) => names.has(node)) };
}

/** Whom a node asks, tells and registers with is in the file, too: what the file does not have, the node does not. */
function withPeers(
  name: string,
  { coworkers, registersWith, reportsTo, redis, ...rest }: Partial<NodeSpec>,
  target: Target,
  known: Topology,
): Partial<NodeSpec> {
  const peers = (wanted: readonly string[]): string[] => peersOf(name, wanted, target, known);
  const one = (key: 'registersWith' | 'reportsTo' | 'redis', wanted?: string): Partial<NodeSpec> => {
    const [peer] = wanted === undefined ? [] : peers([wanted]);
    return peer === undefined ? {} : { [key]: peer };
  };
  return {
    ...rest,
    ...(coworkers === undefined ? {} : { coworkers: peers(coworkers) }),
    ...one('registersWith', registersWith),
    ...one('reportsTo', reportsTo),
    ...one('redis', redis),
  };
}

/** Of these nodes of the topology those of the file, and behind them those of names of their own that have the role of one. */
function peersOf(name: string, wanted: readonly string[], { nodes }: Target, known: Topology): string[] {
  const roles = new Set(known.nodes.filter((spec) => wanted.includes(spec.name)).map(({ role }) => role));
  const isKnown = (node: string): boolean => known.nodes.some((spec) => spec.name === node);
  // The topology does not say whom a node asks that it does not have: all of that role.
  const asked = isKnown(name)
    ? wanted
    : known.nodes.filter(({ role }) => roles.has(role)).map((spec) => spec.name);
  const strangers = nodes.filter((node) => !isKnown(node.name) && roles.has(node.role!));
  return [
    ...asked.filter((one) => nodes.some((node) => node.name === one)),
    ...strangers.map((node) => node.name).filter((one) => one !== name),
  ];
}
