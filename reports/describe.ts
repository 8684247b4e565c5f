/** docs/results.md, made from the schema: `node --import tsx reports/describe.ts > docs/results.md`. A test holds them equal. */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { Results } from './results.ts';

/** The parts of JSON Schema that our schema uses. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

const INTRODUCTION = `# The results of a run

<!-- Made from reports/results.ts by reports/describe.ts. Change it there. -->

Every run leaves a directory, \`out/<run>/\` or what \`--out\` names:

| file | for | what |
|---|---|---|
| \`results.json\` | machines | this format |
| \`junit.xml\` | CI | a suite per area, a case per finding; \`fail\` is a failure, \`error\` and \`inconclusive\` are errors, \`unsupported\` is skipped |
| \`report.html\` | people | one page that needs no network; it carries \`results.json\` in its element \`#results\` |
| \`summary.md\` | pull requests, chats | the verdict, the figures, what did not pass |
| \`history.ndjson\` | anybody who doubts | one event per line with the check that saw it (a gate only) |
| \`evidence/\` | whoever looks into it | of each finding that did not pass: the events of its check, the first and last of what its clients sent and received, in hex and decoded (bytes of RTMP, HTTP-FLV and HTTP-TS; datagrams of SRT; requests of HLS; of WebRTC the signalling, and datagrams or, with libdatachannel, what is inside of SRTP), how each node was started and what it logged meanwhile |

The command's exit code says the same: 0 \`pass\`; 1 \`fail\` or \`error\`; 2 wrong use or nothing selected; 3 \`inconclusive\` or
\`unsupported\`; 4 the lab did not come up.

The format is versioned by \`schema\`. Within a version fields are only added; a reader must ignore what it does not know.
A field with \`?\` may be left out.

## How a load is judged

A load has findings like a gate: \`load/joined\`, \`load/kept\`, \`load/frames\`, \`load/flowing\`, \`load/served\`, \`load/stamped\`, \`load/generator\`, with HLS \`load/playlists\` and \`load/segments\`, with SRT \`load/srt\`, with WHEP \`load/rtp\`, and, when it was
interrupted, \`load/complete\`. Players that failed or dropped, players that starve at the end while others are served, and frames that are missing, duplicated, reordered or corrupt, are a
\`fail\`. Frames without a stamp are \`inconclusive\`: their latency and loss are unknown; so are 2 s without a byte, because the
publisher may have stopped as well as the server (with HLS a target duration more: players are silent between reloads).
What HLS players bear and count (\`load.hls.problems\`) is a \`fail\`. So are SRT packets that were dropped or could not be decrypted, and
RTP packets that never came or could not be read; what was lost and came again in time is told, and is no \`fail\`. A WHEP load in which no frame's checksum was compared is \`inconclusive\`. **With an unhealthy generator nothing is
blamed on the server**: what would be a \`fail\` is \`inconclusive\`. An interrupted run is at best \`inconclusive\`, because nobody saw
its end.

## How publishers are judged

Publishers have \`publish/accepted\`, \`publish/kept\`, \`publish/taken\`, \`publish/generator\`, over SRT and WHIP \`publish/packets\`, and, when they were interrupted,
\`publish/complete\`. \`taken\` is a \`fail\` when, at any time, what was due waited longer than 5 s for a server that does not read: after so long SRS, on its part, gives up a
publisher of whom it hears nothing. What only the own event loop was late is \`inconclusive\`. Buffers come first, those of the system and 1 MiB of ours: a server that
stops to read is noticed as soon as they are full, after 83 s where 480 kbit/s are sent (Linux's own sizes), and not at all in a run that ends before.
`;

export function describeResults(): string {
  const schema = z.toJSONSchema(Results) as Schema;
  return [
    INTRODUCTION,
    section('results.json', schema),
    ...Object.entries(schema.$defs ?? {}).map(([name, of]) => section(name, of)),
  ].join('\n');
}

function section(name: string, of: Schema): string {
  const rows = of.properties === undefined ? [] : fields(of, '');
  return [
    `## ${name}`,
    '',
    ...(of.description === undefined ? [] : [of.description, '']),
    ...(rows.length > 0 ? ['| field | type | meaning |', '|---|---|---|', ...rows, ''] : [typeOf(of), '']),
  ].join('\n');
}

function fields({ properties = {}, required = [] }: Schema, path: string): string[] {
  return Object.entries(properties).flatMap(([name, of]) => {
    const field = `${path}${name}`;
    const row = `| \`${field}\`${required.includes(name) ? '' : ' ?'} | ${typeOf(of)} | ${of.description ?? ''} |`;
    return of.properties === undefined ? [row] : [row, ...fields(of, `${field}.`)];
  });
}

function typeOf(of: Schema): string {
  if (of.$ref !== undefined) {
    const name = of.$ref.slice(of.$ref.lastIndexOf('/') + 1);
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (of.const !== undefined) return `\`"${of.const}"\``;
  if (of.enum !== undefined) return of.enum.map((value) => `\`"${value}"\``).join(', ');
  if (of.type === 'array') return `array of ${typeOf(of.items!)}`;
  if (typeof of.additionalProperties === 'object') return `object of ${typeOf(of.additionalProperties)}`;
  return [of.type].flat().join(' or ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(describeResults());
