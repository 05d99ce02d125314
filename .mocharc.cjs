// Mocha adds the files of its command line to `spec`: without this, asking for one would run all.
const named = process.argv.slice(2).some((argument) => argument.endsWith('.test.ts'));

module.exports = {
  import: ['tsx/esm'],
  require: ['./test/setup.ts'],
  ...(!named && { spec: ['test/**/*.test.ts'] }),
  forbidOnly: true,
  timeout: 60_000,
};
