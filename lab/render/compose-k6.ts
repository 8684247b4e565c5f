/** k6 beside the clusters of docker-compose.yml. Pure. */
import { IMAGES, USERS } from './compose-plan.ts';

/** The scripts, and the folders of ours that they import, as they are: k6 reads TypeScript. */
export const K6_SOURCES = ['protocols', 'drivers/measure', 'scenarios/k6'] as const;
const AT = '/liveproof';

/** A run, and no service: it has no health, and `up` without an address ends at once. */
export function k6Service(sources: string): string {
  const mounts = K6_SOURCES.map((folder) => `${sources}/${folder}:${AT}/${folder}:ro`);
  return `  # Profile k6, beside any of the others: docs/k6.md has the command.
  k6:
    <<: *common
    profiles: [k6]
    image: ${IMAGES.k6}
    user: '${USERS.k6}:${USERS.k6}'
    networks: [liveproof]
    working_dir: ${AT}
    command: [run, scenarios/k6/hls-viewers.ts]
    environment:
      # It would ask the network for a program of its own otherwise.
      K6_AUTO_EXTENSION_RESOLUTION: 'false'
      K6_NO_USAGE_REPORT: 'true'
      RESULTS: /out/results.json
    volumes:
${[...mounts, `${sources}/out/k6:/out`].map((mount) => `      - ${mount}`).join('\n')}
    mem_limit: 2g
    cpus: 2.0
    healthcheck: { disable: true }`;
}
