/** Where clients of a node come in: an entry of the topology and the node's address make a URL. */
import type { Entry, NodePorts } from '../cluster.ts';
import type { EntryProtocol, EntrySpec } from '../topology.ts';

/** @param at ports of the node; `host` is the one that clients of this protocol are to use. */
export function entryOf(spec: EntrySpec, at: { readonly host: string; readonly ports: NodePorts }): Entry {
  const { use, protocol } = spec;
  const { host } = at;
  const port = at.ports[portOf(protocol)] ?? 0;
  const scheme =
    protocol === 'webrtc' ? (use === 'publish' ? 'whip' : 'whep') : (SCHEMES[protocol] ?? 'http');
  const path = (spec.path ?? PATHS[protocol])
    .replace('{mode}', use === 'publish' ? 'publish' : 'request')
    .replace('{scheme}', scheme);
  return {
    ...spec,
    host,
    port,
    url: (app, stream) =>
      `${scheme}://${host}:${port}${path.replace('{app}', app).replace('{stream}', stream)}`,
  };
}

/** The port of a node that an entry of this protocol is at. */
export function portOf(protocol: EntryProtocol): keyof NodePorts {
  return PORTS[protocol] ?? 'http';
}

/** HTTP where nothing else is said. */
const PORTS: Partial<Record<EntryProtocol, keyof NodePorts>> = {
  rtmp: 'rtmp',
  api: 'api',
  srt: 'srt',
  // Signalling; media has a port of its own.
  webrtc: 'api',
};
const SCHEMES: Partial<Record<EntryProtocol, string>> = { rtmp: 'rtmp', srt: 'srt' };

/**
 * Where a stream is, unless its entry says something else. `{mode}` of an SRT stream id is `publish` or `request`,
 * `{scheme}` is `whip` or `whep`.
 */
const PATHS: Record<EntryProtocol, string> = {
  rtmp: '/{app}/{stream}',
  flv: '/{app}/{stream}.flv',
  api: '/api/v1/versions',
  hls: '/{app}/{stream}.m3u8',
  dash: '/{app}/{stream}.mpd',
  srt: '?streamid=#!::r={app}/{stream},m={mode}',
  webrtc: '/rtc/v1/{scheme}/?app={app}&stream={stream}',
  stat: '/stat',
  vod: '/{app}/{stream}.flv',
};
