/** What can be asked of a cluster that runs as processes here. */
import type { Capability } from '../cluster.ts';
import type { EngineName, EntryProtocol, EntrySpec, NodeSpec, Topology } from '../topology.ts';

const PLAY: Partial<Record<EntryProtocol, Capability>> = {
  rtmp: 'play.rtmp',
  flv: 'play.flv',
  hls: 'play.hls',
  srt: 'play.srt',
  webrtc: 'play.webrtc',
  dash: 'play.dash',
  vod: 'play.vod',
};

/** @param engine of the media nodes, where it is known. */
export function capabilitiesOf({ nodes, entries }: Topology, engine?: EngineName): ReadonlySet<Capability> {
  const has = (matches: (spec: NodeSpec) => boolean): boolean => nodes.some(matches);
  const enters = (use: EntrySpec['use'], protocol: EntryProtocol): boolean =>
    entries.some((entry) => entry.use === use && entry.protocol === protocol);
  const found: [Capability, boolean][] = [
    ['publish.rtmp', enters('publish', 'rtmp')],
    ['publish.srt', enters('publish', 'srt')],
    ['publish.webrtc', enters('publish', 'webrtc')],
    ...Object.entries(PLAY).map(([protocol, capability]): [Capability, boolean] => [
      capability,
      enters('play', protocol as EntryProtocol),
    ]),
    ['play.ts', engine === 'builtin' && enters('play', 'flv')],
    ['proxy', has(({ role }) => role === 'proxy')],
    ['redis', has(({ role }) => role === 'redis')],
    ['coworkers', has(({ coworkers = [] }) => coworkers.length > 0)],
    ['stream-manager', has(({ role }) => role === 'stream-manager')],
    ['forward', has(({ role, upstreams }) => role === 'master' && upstreams.length > 0)],
    ['cache', has(({ web }) => web === 'cache')],
    ['balancer', has(({ role }) => role === 'balancer')],
    ['observe.upstream', has(({ role }) => role === 'edge' || role === 'master')],
    ['observe.pulls', has(({ role }) => role === 'edge') && enters('observe', 'api')],
    [
      'observe.requests',
      has(({ web, coworkers = [] }) => web === 'cache' || web === 'balancer' || coworkers.length > 0),
    ],
    ['observe.stat', enters('observe', 'stat')],
    ['observe.api', enters('observe', 'api')],
    ['control.process', true],
    ['reaches.checks', true],
  ];
  return new Set(found.filter(([, isThere]) => isThere).map(([capability]) => capability));
}

/** What a cluster could do if it were played as it was asked for, with the reason why it is not. */
export function lacksOf(asked: Topology, played: Topology, reason: string): ReadonlyMap<Capability, string> {
  const there = capabilitiesOf(played);
  const lost = [...capabilitiesOf(asked)].filter((capability) => !there.has(capability));
  return new Map(lost.map((capability) => [capability, reason]));
}
