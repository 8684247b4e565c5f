import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { answerFirst } from '../../../../lab/builtin/stream-manager/front.ts';
import type { Questions } from '../../../../lab/builtin/stream-manager/questions.ts';

const QUESTION = '/api/v1/clusters?vhost=v&ip=1.2.3.4&app=live&stream=s&coworker=h:1';

const ANSWER = /\{"before":"é"\}|behind|400 Bad Request|408 Request Timeout/g;

/** As SRS writes it. */
const request = (target: string, ...fields: string[]): string =>
  [
    `POST ${target} HTTP/1.1`,
    'Host: h:1',
    'Connection: Keep-Alive',
    'Content-Length: 0',
    ...fields,
    '',
    '',
  ].join('\r\n');

describe('questions before the HTTP server', () => {
  /** What the HTTP server got, and what was answered before it. */
  let [behind, front]: [string[], string[]] = [[], []];
  let server: Server;
  before(async () => {
    const questions = {
      answerNow(url: string) {
        if (url.includes('stream=unknown')) return undefined;
        front.push(url);
        return '{"before":"é"}';
      },
    } as unknown as Questions;
    server = createServer(
      { noDelay: false, requestTimeout: 200, headersTimeout: 200, connectionsCheckingInterval: 50 },
      async (incoming, response) => {
        let body = '';
        for await (const chunk of incoming) body += chunk;
        behind.push(`${incoming.method} ${incoming.url} ${body}`);
        response.end('behind');
      },
    );
    answerFirst(server, questions);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  /** Writes each text when those before are answered; returns what comes until there are so many answers. */
  async function talk(writes: string[], answers = writes.length): Promise<string> {
    [behind, front] = [[], []];
    const socket: Socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    const answered = async (count: number): Promise<void> => {
      while ((text.match(ANSWER) ?? []).length < count) await once(socket, 'data');
    };
    for (const [at, bytes] of writes.entries()) {
      await answered(at);
      socket.write(bytes);
    }
    await answered(answers);
    socket.destroy();
    return text;
  }

  test('one in the words of SRS gets its answer, in bytes', async () => {
    const answer = await talk([request(QUESTION, 'User-Agent: SRS/7.0', 'Content-Type: application/json')]);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*Content-Length: 15\r\n\r\n\{"before":"é"\}$/s);
    assert.deepEqual([behind, front], [[], [QUESTION]]);
  });

  test('anything else is heard by the HTTP server as it was sent', async () => {
    for (const [text, heard] of [
      [request('/api/v1/versions'), 'POST /api/v1/versions '],
      [request(QUESTION, 'X-Other: 1'), `POST ${QUESTION} `],
      [request(QUESTION.replace('=s&', '=unknown&')), `POST ${QUESTION.replace('=s&', '=unknown&')} `],
      [`${request(QUESTION).replace('Length: 0', 'Length: 4')}body`, `POST ${QUESTION} body`],
      [
        'POST /api/v1/streams HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
        'POST /api/v1/streams x',
      ],
    ] as const) {
      assert.match(await talk([text]), /behind/);
      assert.deepEqual([behind, front], [[heard], []], text);
    }
    assert.match(await talk(['nonsense\r\n\r\n']), /400 Bad Request/);
  });

  test('a connection may ask again, and may turn to the HTTP server', async () => {
    const answers = await talk([request(QUESTION), request(QUESTION), request('/api/v1/versions')]);
    assert.match(answers, /before.*before.*behind/s);
    assert.deepEqual([behind, front], [['POST /api/v1/versions '], [QUESTION, QUESTION]]);
  });

  test('two questions in one read are for the HTTP server', async () => {
    await talk([request(QUESTION) + request(QUESTION)], 2);
    assert.deepEqual([behind, front], [[`POST ${QUESTION} `, `POST ${QUESTION} `], []]);
  });

  test('half a head is bounded by the HTTP server', async () => {
    assert.match(await talk([request(QUESTION).slice(0, 40)]), /408 Request Timeout/);
  });
});
