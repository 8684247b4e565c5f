import type { Topology } from '../topology.ts';

/**
 * One Nginx with the RTMP module that takes streams in, encodes each into a ladder and cuts HLS and DASH; another that
 * serves what it wrote. Streams are published to and played from application `live`; the ladder is in application
 * `show`, which nobody may play over RTMP. An HLS entry is the ladder's master playlist, a DASH entry the manifest of
 * its `src` rung: nginx-rtmp writes one for each.
 */
export const nginxRtmp: Topology = {
  name: 'nginx-rtmp',
  title: 'nginx-rtmp with an ffmpeg ladder, and Nginx for HLS, DASH and recordings',
  source: 'seeds/004-nginx-rtmp-hls-on-kubernetes.txt',
  engines: ['nginx-rtmp'],
  nodes: [
    { name: 'live', role: 'origin', upstreams: [], hls: true },
    { name: 'web', role: 'web', web: 'files', upstreams: ['live'] },
  ],
  entries: [
    { node: 'live', protocol: 'rtmp', use: 'publish' },
    { node: 'live', protocol: 'rtmp', use: 'play' },
    { node: 'web', protocol: 'hls', use: 'play', path: '/hls/{stream}.m3u8' },
    { node: 'web', protocol: 'dash', use: 'play', path: '/dash/{stream}_src.mpd' },
    { node: 'web', protocol: 'vod', use: 'play', path: '/vod/{stream}.flv' },
    { node: 'live', protocol: 'stat', use: 'observe', path: '/stat' },
  ],
};
