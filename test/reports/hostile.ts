/** Results in which every text of a server, a stream or a file is markup that wants to run. */
import type { Results } from '../../reports/results.ts';
import type { ClusterFigures } from '../../reports/results-clusters.ts';
import { finding, hlsFigures, load, srtFigures, timeline, webRtcFigures } from './samples.ts';

export const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(2)>'</script><!-- ]]> & \u202e\u0000\ud800`;

const CLUSTER: ClusterFigures = {
  topology: HOSTILE,
  title: HOSTILE,
  engine: HOSTILE,
  checks: [HOSTILE],
  nodes: [
    {
      ...{ name: HOSTILE, role: HOSTILE, engine: HOSTILE, host: HOSTILE, state: HOSTILE },
      ...{ publish: [HOSTILE], play: [HOSTILE], cpuSeconds: null, rssMb: null },
    },
  ],
  links: [
    {
      ...{ from: HOSTILE, to: HOSTILE, media: true, against: false },
      taps: [{ carries: HOSTILE, open: 1, connections: 2, bytesUp: 3, bytesDown: 4 }],
    },
  ],
};

export function hostile(): Results {
  const results = load(
    {
      urls: [HOSTILE],
      reasons: { [HOSTILE]: 3 },
      hls: hlsFigures({ problems: { [HOSTILE]: 2 } }),
      srt: srtFigures({ problems: { [HOSTILE]: 2 } }),
      webrtc: webRtcFigures({ problems: { [HOSTILE]: 2 } }),
    },
    [
      finding({
        check: `load/${HOSTILE}`,
        title: HOSTILE,
        topology: HOSTILE,
        engine: HOSTILE,
        mutant: HOSTILE,
        verdict: 'fail',
        expected: HOSTILE,
        actual: HOSTILE,
        evidence: [{ label: HOSTILE, detail: HOSTILE, file: `javascript:${HOSTILE}` }],
        spec: { source: HOSTILE, where: HOSTILE, says: HOSTILE },
        timeline: timeline({
          fault: HOSTILE,
          marks: [{ ms: 10, what: HOSTILE }],
          clients: timeline().clients.map((client) => ({ ...client, client: HOSTILE })),
          storm: { worst: 1, node: HOSTILE, bound: 1 },
        }),
      }),
    ],
  );
  return {
    ...results,
    clusters: [CLUSTER],
    notes: [HOSTILE],
    command: [HOSTILE],
    environment: { ...results.environment, programs: { [HOSTILE]: HOSTILE } },
    load: { ...results.load!, generator: { ...results.load!.generator, reasons: [HOSTILE] } },
  };
}
