package lambdatest

import (
	"fmt"
	"io"
	"os"
)

// output is the file that the function's processes write to. A file, not a pipe: what a process wrote before it called the Runtime API is
// there when the call arrives, with no copying goroutine to wait for.
type output struct{ file *os.File }

func newOutput() (*output, error) {
	file, err := os.CreateTemp("", "lambdatest-*.log")
	if err != nil {
		return nil, fmt.Errorf("create log file: %w", err)
	}
	// Where the system lets an open file be removed, nothing is left behind even if this process is killed; close removes it elsewhere.
	_ = os.Remove(file.Name())
	return &output{file: file}, nil
}

// size is how much has been written so far. Processes share the file's offset, so they append.
func (o *output) size() int64 {
	info, err := o.file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

func (o *output) since(offset int64) string {
	text, err := io.ReadAll(io.NewSectionReader(o.file, offset, o.size()-offset))
	if err != nil {
		return fmt.Sprintf("(logs unreadable: %v)", err)
	}
	return string(text)
}

func (o *output) close() {
	_ = o.file.Close()
	_ = os.Remove(o.file.Name())
}
