// Watches a path with fs.watch and, for every event, prints the file's content in base64. If the path is the
// file itself, it renews the watch after each event, as programs must if the file may be replaced.
import { readFileSync, watch } from "node:fs";

const [path, file] = process.argv.slice(2);

function print() {
  try {
    console.log(readFileSync(file).toString("base64"));
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}

function open() {
  const watcher = watch(path, () => {
    if (path === file) {
      watcher.close();
      open();
    }
    print();
  });
}

open();
