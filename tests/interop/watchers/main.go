// Watches a path with fsnotify and, for every event, prints the file's content in base64.
//
// If the path is a file, it renews the watch after each event, as programs must if the file may be replaced.
package main

import (
	"encoding/base64"
	"fmt"
	"log"
	"os"

	"github.com/fsnotify/fsnotify"
)

func main() {
	path, file := os.Args[1], os.Args[2]
	watcher := open(path)
	for {
		next(watcher)
		if path == file {
			watcher.Close()
			watcher = open(path)
		}
		if content, err := os.ReadFile(file); err == nil {
			fmt.Println(base64.StdEncoding.EncodeToString(content))
		}
	}
}

func open(path string) *fsnotify.Watcher {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Fatal(err)
	}
	if err := watcher.Add(path); err != nil {
		log.Fatal(err)
	}
	return watcher
}

// next waits for an event. It skips changes of only attributes, as fsnotify's authors advise.
func next(watcher *fsnotify.Watcher) {
	for {
		select {
		case event := <-watcher.Events:
			if event.Op != fsnotify.Chmod {
				return
			}
		case err := <-watcher.Errors:
			log.Fatal(err)
		}
	}
}
