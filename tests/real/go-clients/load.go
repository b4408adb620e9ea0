package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// recordBytes is the length of a line of an access log.
const recordBytes = 208

// load sends records at a steady rate from several producers with acks=all, each its own connection, and prints as JSON how long
// acknowledgements took. Arguments: HOST:PORT PREFIX TOPICS PARTITIONS PRODUCERS RATE SECONDS; the topics are made (PREFIX-0,
// PREFIX-1, …), the rate is that of one producer.
func load(arguments []string) error {
	if len(arguments) != 7 {
		return fmt.Errorf("want HOST:PORT PREFIX TOPICS PARTITIONS PRODUCERS RATE SECONDS; got %q", arguments)
	}
	var numbers []int
	for _, argument := range arguments[2:] {
		number, err := strconv.Atoi(argument)
		if err != nil || number < 1 {
			return fmt.Errorf("%q is no count", argument)
		}
		numbers = append(numbers, number)
	}
	broker, prefix, topicCount, partitionCount := arguments[0], arguments[1], numbers[0], numbers[1]
	producers, rate, seconds := numbers[2], numbers[3], numbers[4]
	topics, made, err := makeTopics(broker, prefix, topicCount, partitionCount)
	if err != nil {
		return err
	}
	var lock sync.Mutex
	var delays []time.Duration
	var fault error
	var group sync.WaitGroup
	begin := time.Now()
	for number := range producers {
		group.Add(1)
		go func() {
			defer group.Done()
			own, err := send(broker, topics, number, rate, time.Duration(seconds)*time.Second)
			lock.Lock()
			defer lock.Unlock()
			delays = append(delays, own...)
			if err != nil {
				fault = err
			}
		}()
	}
	group.Wait()
	if fault != nil {
		return fault
	}
	took := time.Since(begin)
	slices.Sort(delays)
	at := func(share float64) float64 {
		return delays[int(share*float64(len(delays)-1))].Seconds() * 1000
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"records": len(delays), "seconds": took.Seconds(), "create_seconds": made.Seconds(),
		"p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1),
	})
}

func makeTopics(broker, prefix string, count, partitions int) ([]string, time.Duration, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return nil, 0, err
	}
	defer client.Close()
	topics := make([]string, count)
	for number := range topics {
		topics[number] = fmt.Sprintf("%s-%d", prefix, number)
	}
	begin := time.Now()
	// In parts, since a client waits for an answer for only so long.
	for part := range slices.Chunk(topics, 50) {
		made, err := kadm.NewClient(client).CreateTopics(context.Background(), int32(partitions), 1, nil, part...)
		if err != nil {
			return nil, 0, err
		}
		for _, topic := range made {
			if topic.Err != nil {
				return nil, 0, fmt.Errorf("create %s: %w", topic.Topic, topic.Err)
			}
		}
	}
	return topics, time.Since(begin), nil
}

// send is one producer: every record has its time, and its delay counts from then, also when the one before was late.
func send(broker string, topics []string, producer, rate int, duration time.Duration) ([]time.Duration, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	value := bytes.Repeat([]byte{'x'}, recordBytes)
	count := int(duration.Seconds() * float64(rate))
	delays := make([]time.Duration, count)
	errors := make(chan error, count)
	var acknowledged sync.WaitGroup
	begin := time.Now()
	for number := range count {
		due := begin.Add(time.Duration(number) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		acknowledged.Add(1)
		record := &kgo.Record{Topic: topics[(producer+number)%len(topics)], Value: value}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			delays[number] = time.Since(due)
			if err != nil {
				errors <- err
			}
			acknowledged.Done()
		})
	}
	acknowledged.Wait()
	close(errors)
	return delays, <-errors
}
