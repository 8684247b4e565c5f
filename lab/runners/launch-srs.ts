/** Media nodes of a real SRS, whose binary the user names. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { LabError, LabErrorCode } from '../errors.ts';
import { renderSrs, SRS_SRT_HOST, type SrsInput } from '../render/srs.ts';
import { isExecutable } from './find-program.ts';
import {
  addressOf,
  folderOf,
  type Launcher,
  linksOf,
  logFileOf,
  settingsOf,
  withoutInherited,
} from './launch.ts';
import { mediaNodeReady } from './readiness.ts';
import { coworkersOf, heartbeatMs, hooksOf, registrationOf } from './registration.ts';

export const srsLauncher: Launcher = {
  engine: 'srs',
  check({ srsPath }) {
    if (srsPath === undefined) {
      throw new LabError(LabErrorCode.Program, "engine 'srs' needs the path of an srs binary");
    }
    if (!isExecutable(srsPath)) {
      throw new LabError(LabErrorCode.Program, `${srsPath} is not a program that can be executed`);
    }
  },
  launch(spec, plan) {
    const { name, role } = spec;
    const { host, ports } = addressOf(plan, name);
    const links = linksOf(spec, 'rtmp', plan);
    const registration = registrationOf(spec, plan);
    const hooks = hooksOf(spec, plan);
    const file = path.join(plan.runDir, `${name}.conf`);
    const text = renderSrs({
      name,
      role: role as SrsInput['role'],
      host,
      rtmpPort: ports.rtmp,
      httpPort: ports.http,
      apiPort: ports.api,
      ...(ports.srt === undefined ? {} : { srtPort: ports.srt }),
      ...(ports.rtc === undefined ? {} : { rtcPort: ports.rtc }),
      origins: role === 'edge' ? links : [],
      forwards: role === 'master' ? links : [],
      coworkers: coworkersOf(spec, plan),
      ...(registration === undefined
        ? {}
        : {
            heartbeat: {
              url: registration.url,
              deviceId: name,
              seconds: wholeSeconds(heartbeatMs(plan.settings)),
            },
          }),
      ...(hooks === undefined ? {} : { hooks }),
      hls: spec.hls ?? false,
      settings: settingsOf(spec, plan),
      directory: plan.runDir,
      folder: folderOf(name, plan),
      logFile: logFileOf(name, plan),
    });
    writeFileSync(file, text);
    return {
      program: path.resolve(plan.srsPath!),
      args: ['-c', file],
      // Such a variable goes before its configuration: SRS_OVERWRITE_BY_ENV of srs_app_config.cpp.
      env: {
        ...withoutInherited('SRS_'),
        ...(registration === undefined ? {} : { SRS_DEVICE_IP: registration.alias }),
      },
      answers: (pid) => mediaNodeReady(host, ports, pid, SRS_SRT_HOST),
    };
  },
};

/** SRS refuses an interval that is not a multiple of a second. */
function wholeSeconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000));
}
