package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"proscenium/metrics"
	"proscenium/recording"
	"proscenium/settings"
)

// openRecorder is nil where nothing is recorded; end writes what is left.
func openRecorder(s *settings.Settings, observed *metrics.Metrics, log *slog.Logger) (recorder *recording.Recorder, end func() error, err error) {
	if s.Recording.SampleRatio == 0 {
		return nil, func() error { return nil }, nil
	}
	keyFile, directory, open := s.Recording.UserKeyFile, s.Recording.Directory, recording.LoadKey
	if keyFile == "" {
		keyFile, open = filepath.Join(s.Data, recording.KeyFile), recording.OpenKey
	}
	if directory == "" {
		directory = filepath.Join(s.Data, "requests")
	}
	key, err := open(keyFile)
	if err != nil {
		return nil, nil, err
	}
	recorder, err = recording.Start(recording.Options{
		SampleRatio: s.Recording.SampleRatio, Directory: directory,
		MaxBytes: int64(s.Recording.MaxBytes), RotateBytes: int64(s.Recording.RotateBytes), MaxAge: s.Recording.MaxAge,
		Pseudonyms: recording.NewPseudonyms(key), Random: rand.Uint64, Now: time.Now, Log: log, Observer: observed,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%w; name another directory with recording.directory or --recording-directory", err)
	}
	log.Info("recording requests", slog.Float64("sample_ratio", s.Recording.SampleRatio), slog.String("directory", directory))
	return recorder, recorder.Close, nil
}
