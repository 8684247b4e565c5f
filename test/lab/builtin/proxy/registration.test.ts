import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { RegistrationError, readRegistration } from '../../../../lab/builtin/proxy/registration.ts';
import { stopAll } from '../support.ts';
import { registration, startProxy } from './support.ts';

after(stopAll);

const read = (fields: Record<string, unknown>): ReturnType<typeof readRegistration> =>
  readRegistration(JSON.stringify(registration('o', fields)), new Set());

test('an origin of the document registers', () => {
  const body = {
    device_id: 'origin2',
    ip: '10.78.122.184',
    server: 'vid-46p14mm',
    service: 'z2s3w865',
    pid: '42583',
    rtmp: ['19352'],
    http: ['8082'],
    api: ['19853'],
    srt: ['10082'],
    rtc: ['udp://0.0.0.0:8001'],
  };
  const host = '10.78.122.184';
  assert.deepEqual(readRegistration(JSON.stringify(body), new Set()), {
    id: 'vid-46p14mm-z2s3w865-42583',
    ip: host,
    server: 'vid-46p14mm',
    service: 'z2s3w865',
    pid: '42583',
    deviceId: 'origin2',
    rtmp: { host, port: 19352 },
    http: { host, port: 8082 },
    api: { host, port: 19853 },
    srt: { host, port: 10082 },
    rtc: { host, port: 8001 },
  });
});

test('the forms of an endpoint', () => {
  const at = (rtmp: string): { host: string; port: number } => read({ ip: '10.0.0.1', rtmp: [rtmp] }).rtmp;
  for (const any of ['1935', 'tcp://:1935', 'tcp://0.0.0.0:1935', 'tcp://[::]:1935']) {
    assert.deepEqual(at(any), { host: '10.0.0.1', port: 1935 }, any);
  }
  assert.deepEqual(at('tcp://192.168.3.10:1935'), { host: '192.168.3.10', port: 1935 });
  assert.deepEqual(at('tcp://[2001:db8::1]:1935'), { host: '2001:db8::1', port: 1935 });
  const srt = read({ ip: '10.0.0.1', srt: ['tcp://:1', 'udp://10.0.0.2:2'] }).srt;
  assert.deepEqual(srt, { host: '10.0.0.2', port: 2 });
  assert.equal(read({ rtc: ['tcp://:8000'] }).rtc, undefined);
});

test('what is not mandatory may be left out', () => {
  const { device_id: _, ...body } = registration('o');
  const { deviceId, http, api, srt, rtc } = readRegistration(JSON.stringify(body), new Set());
  assert.deepEqual([deviceId, http, api, srt, rtc], Array(5).fill(undefined));
});

for (const field of ['ip', 'server', 'service', 'pid', 'rtmp']) {
  test(`without ${field} it is refused, and the field is named`, () => {
    for (const value of [undefined, '', null, []]) {
      assert.throws(
        () => read({ [field]: value }),
        (error: unknown) => error instanceof RegistrationError && error.field === field,
        `${field}: ${JSON.stringify(value)}`,
      );
    }
  });
}

test('an endpoint that is none is refused, whatever the field', () => {
  const wrong = [
    '',
    'abc',
    '0',
    '65536',
    'tcp://',
    'tcp://:',
    'http://:80',
    'tcp://name:80',
    '1935 ',
    'tcp://:1/x',
  ];
  for (const field of ['rtmp', 'http', 'api', 'srt', 'rtc']) {
    for (const endpoint of wrong) {
      assert.throws(
        () => read({ [field]: [endpoint] }),
        (error: unknown) => error instanceof RegistrationError && error.field === field,
        `${field}: ${endpoint}`,
      );
    }
    assert.throws(() => read({ [field]: '1935' }), RegistrationError);
  }
});

test('whatever the document, it is read or refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      try {
        readRegistration(text, new Set());
        return false;
      } catch (error) {
        return error instanceof RegistrationError;
      }
    }),
  );
});

test('the system API says 0 and its pid, or why not', async (t) => {
  const proxy = await startProxy(t);
  assert.deepEqual(await proxy.register(registration('o')), {
    status: 200,
    body: { code: 0, pid: String(process.pid) },
  });
  const { ip: _, ...noIp } = registration('o');
  const missing = await proxy.register(noIp);
  assert.deepEqual(missing, {
    status: 400,
    body: { code: 400, error: 'proxy.register-field', reason: 'ip is missing' },
  });
  assert.equal((await proxy.register('{')).body.error, 'proxy.register-json');
  assert.equal((await proxy.register('[]')).body.error, 'proxy.register-json');
  const long = await proxy.register(registration('o', { summaries: 'x'.repeat(70_000) }));
  assert.deepEqual([long.status, long.body.error], [413, 'proxy.register-size']);
  const got = await fetch(`${proxy.system}/api/v1/srs/register`);
  assert.deepEqual([got.status, got.headers.get('allow')], [405, 'POST']);
  assert.equal((await fetch(`${proxy.system}/api/v1/nothing`)).status, 404);
  assert.equal(await proxy.metric('liveproof_proxy_backends_alive'), 1);
  assert.equal(await proxy.metric('liveproof_proxy_registrations_total{result="accepted"}'), 1);
  assert.equal(await proxy.metric('liveproof_proxy_registrations_total{result="refused"}'), 4);
});

test('mutants of the registration', async (t) => {
  const lenient = await startProxy(t, { mutants: ['proxy-register-misses-nothing'] });
  const { ip: _, ...noIp } = registration('o');
  assert.equal((await lenient.register(noIp)).status, 200);
  const body = JSON.stringify(registration('o', { rtmp: ['tcp://127.0.0.9:1935'] }));
  assert.throws(
    () => readRegistration(body, new Set(['proxy-register-no-protocol-form'])),
    RegistrationError,
  );
  const ignored = readRegistration(body, new Set(['proxy-register-ignores-endpoint-ip']));
  assert.equal(ignored.rtmp.host, '127.0.0.1');
});
