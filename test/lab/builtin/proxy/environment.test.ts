import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvironmentError, readEnvironment } from '../../../../lab/builtin/proxy/environment.ts';

test('the defaults are those of the document', () => {
  const { rtmp, http, api, webrtc, srt, system, staticFiles, loadBalancer, redis, defaultBackend } =
    readEnvironment({});
  const host = '127.0.0.1';
  assert.deepEqual(
    { rtmp, http, api, webrtc, srt, system, staticFiles, loadBalancer, redis, defaultBackend },
    {
      rtmp: { host, port: 11935 },
      http: { host, port: 18080 },
      api: { host, port: 11985 },
      webrtc: { host, port: 18000 },
      srt: { host, port: 20080 },
      system: { host, port: 12025 },
      staticFiles: '../trunk/research',
      loadBalancer: 'redis',
      redis: { host, port: 6379, password: '', db: 0 },
      defaultBackend: undefined,
    },
  );
});

test('the default backend has the ports of the document', () => {
  assert.deepEqual(readEnvironment({ PROXY_DEFAULT_BACKEND_ENABLED: 'on' }).defaultBackend, {
    ip: '127.0.0.1',
    rtmp: '1935',
    http: '8080',
    rtc: '8000',
    srt: '10080',
    api: '1985',
  });
});

test('a server is a port, at PROXY_BIND, or host:port', () => {
  const { rtmp, http, api } = readEnvironment({
    PROXY_BIND: '127.0.0.7',
    PROXY_RTMP_SERVER: '1935',
    PROXY_HTTP_SERVER: '127.0.0.9:8080',
    PROXY_HTTP_API: ':1985',
  });
  assert.deepEqual(
    [rtmp, http, api],
    [
      { host: '127.0.0.7', port: 1935 },
      { host: '127.0.0.9', port: 8080 },
      { host: '127.0.0.7', port: 1985 },
    ],
  );
});

test('all that is wrong is told at once, and no password', () => {
  const wrong = {
    PROXY_RTMP_SERVER: 'abc',
    PROXY_HTTP_SERVER: '70000',
    PROXY_HTTP_API: '12025',
    PROXY_LOAD_BALANCER_TYPE: 'mesh',
    PROXY_REDIS_PORT: '-1',
    PROXY_REDIS_DB: 'x',
    PROXY_REDIS_PASSWORD: 'secret',
    PROXY_DEFAULT_BACKEND_ENABLED: 'maybe',
    PROXY_DEFAULT_BACKEND_RTMP: '0',
    PROXY_MUTANTS: 'proxy-first-origin,no-such-mutant',
    PROXY_TIMEOUTS: '{"alive":"long"}',
  };
  assert.throws(
    () => readEnvironment({ ...wrong, PROXY_DEFAULT_BACKEND_ENABLED: 'on' }),
    (error: unknown) =>
      error instanceof EnvironmentError && error.message.includes('PROXY_DEFAULT_BACKEND_RTMP'),
  );
  try {
    readEnvironment(wrong);
    assert.fail('it was accepted');
  } catch (error) {
    assert.ok(error instanceof EnvironmentError);
    assert.deepEqual(
      error.problems.map((problem) => problem.split(':')[0]).sort(),
      [
        'PROXY_REDIS_DB',
        'PROXY_DEFAULT_BACKEND_ENABLED',
        'PROXY_MUTANTS',
        'PROXY_RTMP_SERVER',
        'PROXY_HTTP_SERVER',
        'PROXY_LOAD_BALANCER_TYPE',
        'PROXY_REDIS_PORT',
        'PROXY_TIMEOUTS',
        'PROXY_SYSTEM_API',
      ].sort(),
    );
    assert.ok(!error.message.includes('secret'));
  }
});
