package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is franz-go: its producer is idempotent by default.
func franz(broker, prefix string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	plain, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return err
	}
	defer plain.Close()
	admin := kadm.NewClient(plain)
	var topics []string
	for _, codec := range codecs {
		topics = append(topics, prefix+"-"+codec)
	}
	made, err := admin.CreateTopics(ctx, partitions, 1, nil, topics...)
	if err != nil {
		return err
	}
	for _, topic := range made {
		if topic.Err != nil {
			return fmt.Errorf("create %s: %w", topic.Topic, topic.Err)
		}
	}
	if err := eventually(func() error { return franzTopics(ctx, admin, topics) }); err != nil {
		return err
	}
	for number, codec := range codecs {
		if err := franzProduce(ctx, broker, topics[number], codec); err != nil {
			return fmt.Errorf("produce %s: %w", codec, err)
		}
	}
	if err := franzConsume(ctx, broker, prefix, topics); err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	return franzAdmin(ctx, admin, prefix, topics)
}

// franzTopics says whether the broker knows every partition.
func franzTopics(ctx context.Context, admin *kadm.Client, topics []string) error {
	known, err := admin.ListTopics(ctx, topics...)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		if err := known[topic].Err; err != nil {
			return fmt.Errorf("metadata of %s: %w", topic, err)
		}
		for _, partition := range known[topic].Partitions {
			if partition.Err != nil {
				return fmt.Errorf("metadata of %s-%d: %w", topic, partition.Partition, partition.Err)
			}
		}
		if err := same("partitions of "+topic, len(known[topic].Partitions), partitions); err != nil {
			return err
		}
	}
	return nil
}

func franzProduce(ctx context.Context, broker, topic, codec string) error {
	compression := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}[codec]
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ProducerBatchCompression(compression))
	if err != nil {
		return err
	}
	defer client.Close()
	var sent []*kgo.Record
	for number := range records {
		sent = append(sent, &kgo.Record{
			Topic:   topic,
			Key:     []byte(key(number)),
			Value:   []byte(value(codec, number)),
			Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(codec)}},
		})
	}
	return client.ProduceSync(ctx, sent...).FirstErr()
}

func franzConsume(ctx context.Context, broker, group string, topics []string) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	came := seen{}
	for !came.all() {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return err
		}
		for _, fault := range fetches.Errors() {
			return fmt.Errorf("%s-%d: %w", fault.Topic, fault.Partition, fault.Err)
		}
		for _, record := range fetches.Records() {
			if len(record.Headers) != 1 {
				return fmt.Errorf("headers of %s: %v", record.Key, record.Headers)
			}
			header := string(record.Headers[0].Value)
			if err := came.add(record.Topic, group, string(record.Key), string(record.Value), header); err != nil {
				return err
			}
		}
	}
	return client.CommitUncommittedOffsets(ctx)
}

func franzAdmin(ctx context.Context, admin *kadm.Client, group string, topics []string) error {
	var ends kadm.ListedOffsets
	var total int64
	err := eventually(func() (err error) {
		ends, total, err = franzCommitted(ctx, admin, group, topics)
		return err
	})
	if err != nil {
		return err
	}
	// The member left when its client was closed, which does not wait for the answer.
	err = eventually(func() error {
		groups, err := admin.DescribeGroups(ctx, group)
		if err != nil {
			return err
		}
		return same("state of the group", groups[group].State, "Empty")
	})
	if err != nil {
		return err
	}
	if _, err := admin.DeleteRecords(ctx, ends.Offsets()); err != nil {
		return err
	}
	err = eventually(func() error {
		starts, err := admin.ListStartOffsets(ctx, topics...)
		if err != nil {
			return err
		}
		var begun int64
		starts.Each(func(start kadm.ListedOffset) { begun += start.Offset })
		return same("starts after deleting records", begun, total)
	})
	if err != nil {
		return err
	}
	wanted := "123456789"
	set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &wanted}}
	if _, err := admin.AlterTopicConfigs(ctx, set, topics[0]); err != nil {
		return err
	}
	if err := eventually(func() error { return franzConfig(ctx, admin, topics[0], "retention.ms", wanted) }); err != nil {
		return err
	}
	if _, err := admin.DescribeAllLogDirs(ctx, nil); err != nil {
		return err
	}
	if _, err := admin.DeleteGroups(ctx, group); err != nil {
		return err
	}
	deleted, err := admin.DeleteTopics(ctx, topics...)
	if err != nil {
		return err
	}
	for _, topic := range deleted {
		if topic.Err != nil {
			return fmt.Errorf("delete %s: %w", topic.Topic, topic.Err)
		}
	}
	return nil
}

// franzCommitted says whether the group has committed all, and gives the ends and how many records there are.
func franzCommitted(
	ctx context.Context, admin *kadm.Client, group string, topics []string,
) (kadm.ListedOffsets, int64, error) {
	ends, err := admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, 0, err
	}
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, 0, err
	}
	var total int64
	for _, topic := range topics {
		for partition := range int32(partitions) {
			end, _ := ends.Lookup(topic, partition)
			offset, ok := committed.Lookup(topic, partition)
			// A partition without records has nothing to commit.
			if end.Offset > 0 && (!ok || offset.At != end.Offset) {
				return nil, 0, fmt.Errorf("%s-%d: committed %d of %d", topic, partition, offset.At, end.Offset)
			}
			total += end.Offset
		}
	}
	return ends, total, same("ends", total, int64(records*len(codecs)))
}

// franzConfig says whether the topic has the config with this value.
func franzConfig(ctx context.Context, admin *kadm.Client, topic, key, wanted string) error {
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	for _, config := range described[0].Configs {
		if config.Key == key {
			return same(key, *config.Value, wanted)
		}
	}
	return fmt.Errorf("%s has no config %s", topic, key)
}
