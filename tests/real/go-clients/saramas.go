package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
)

// saramas is Sarama: as Filebeat 8 sets it, whose versions of the protocol are those of Kafka 2.1, and with the newest that it
// knows, idempotent.
func saramas(broker, prefix string) error {
	for _, version := range []sarama.KafkaVersion{sarama.V2_1_0_0, sarama.MaxVersion} {
		// The later one reads what only it has written.
		if err := saramaWork(broker, prefix+"-"+version.String(), version); err != nil {
			return fmt.Errorf("with the protocol of %s: %w", version, err)
		}
	}
	return nil
}

func saramaConfig(version sarama.KafkaVersion) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = version
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	return config
}

func saramaWork(broker, prefix string, version sarama.KafkaVersion) error {
	brokers := []string{broker}
	admin, err := sarama.NewClusterAdmin(brokers, saramaConfig(version))
	if err != nil {
		return err
	}
	defer admin.Close()
	var topics []string
	for _, codec := range codecs {
		topic := prefix + "-" + codec
		topics = append(topics, topic)
		detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}
		if err := admin.CreateTopic(topic, detail, false); err != nil {
			return fmt.Errorf("create %s: %w", topic, err)
		}
		if err := eventually(func() error { return saramaTopic(admin, topic) }); err != nil {
			return err
		}
		if err := saramaProduce(brokers, topic, codec, version); err != nil {
			return fmt.Errorf("produce %s: %w", codec, err)
		}
	}
	reader := &saramaReader{prefix: prefix, came: seen{}}
	group, err := sarama.NewConsumerGroup(brokers, prefix, saramaConfig(version))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	reader.done = cancel
	for !reader.finished() && ctx.Err() == nil {
		if err := group.Consume(ctx, topics, reader); err != nil {
			return fmt.Errorf("consume: %w", err)
		}
	}
	if err := group.Close(); err != nil {
		return err
	}
	if reader.fault != nil {
		return reader.fault
	}
	if err := same("records", len(reader.came), records*len(codecs)); err != nil {
		return err
	}
	return saramaAdmin(admin, prefix, topics)
}

// saramaTopic says whether the broker knows every partition.
func saramaTopic(admin sarama.ClusterAdmin, topic string) error {
	described, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return err
	}
	if described[0].Err != sarama.ErrNoError {
		return fmt.Errorf("metadata of %s: %w", topic, described[0].Err)
	}
	for _, partition := range described[0].Partitions {
		if partition.Err != sarama.ErrNoError {
			return fmt.Errorf("metadata of %s-%d: %w", topic, partition.ID, partition.Err)
		}
	}
	return same("partitions of "+topic, len(described[0].Partitions), partitions)
}

func saramaProduce(brokers []string, topic, codec string, version sarama.KafkaVersion) error {
	config := saramaConfig(version)
	if version != sarama.V2_1_0_0 {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	if err := config.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	for number := range records {
		messages = append(messages, &sarama.ProducerMessage{
			Topic:   topic,
			Key:     sarama.StringEncoder(key(number)),
			Value:   sarama.StringEncoder(value(codec, number)),
			Headers: []sarama.RecordHeader{{Key: []byte("codec"), Value: []byte(codec)}},
		})
	}
	if err := producer.SendMessages(messages); err != nil {
		return err
	}
	return producer.Close()
}

// saramaReader is a member of a group; a session has a goroutine for each partition.
type saramaReader struct {
	prefix string
	done   func()
	lock   sync.Mutex
	came   seen
	fault  error
}

func (r *saramaReader) Setup(sarama.ConsumerGroupSession) error { return nil }

// Cleanup runs when all goroutines of the session have ended.
func (r *saramaReader) Cleanup(session sarama.ConsumerGroupSession) error {
	session.Commit()
	return nil
}

func (r *saramaReader) finished() bool {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.fault != nil || r.came.all()
}

func (r *saramaReader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-session.Context().Done():
			return nil
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			r.take(message)
			session.MarkMessage(message, "")
			if r.finished() {
				r.done()
			}
		}
	}
}

func (r *saramaReader) take(message *sarama.ConsumerMessage) {
	r.lock.Lock()
	defer r.lock.Unlock()
	header := ""
	if len(message.Headers) == 1 {
		header = string(message.Headers[0].Value)
	}
	if err := r.came.add(message.Topic, r.prefix, string(message.Key), string(message.Value), header); err != nil {
		r.fault = err
	}
}

func saramaAdmin(admin sarama.ClusterAdmin, group string, topics []string) error {
	err := eventually(func() error {
		committed, err := admin.ListConsumerGroupOffsets(group, nil)
		if err != nil {
			return err
		}
		var total int64
		for _, topic := range topics {
			for partition := range int32(partitions) {
				if block := committed.GetBlock(topic, partition); block != nil && block.Offset > 0 {
					total += block.Offset
				}
			}
		}
		return same("committed", total, int64(records*len(codecs)))
	})
	if err != nil {
		return err
	}
	err = eventually(func() error {
		described, err := admin.DescribeConsumerGroups([]string{group})
		if err != nil {
			return err
		}
		return same("state of the group", described[0].State, "Empty")
	})
	if err != nil {
		return err
	}
	err = eventually(func() error {
		configs, err := admin.DescribeConfig(sarama.ConfigResource{
			Type: sarama.TopicResource, Name: topics[0], ConfigNames: []string{"cleanup.policy"},
		})
		if err != nil {
			return err
		}
		return same("cleanup.policy", configs[0].Value, "delete")
	})
	if err != nil {
		return err
	}
	if err := admin.CreatePartitions(topics[0], partitions+1, nil, false); err != nil {
		return err
	}
	if err := admin.DeleteRecords(topics[1], map[int32]int64{0: 1}); err != nil {
		return err
	}
	if err := admin.DeleteConsumerGroup(group); err != nil {
		return err
	}
	for _, topic := range topics {
		if err := admin.DeleteTopic(topic); err != nil {
			return err
		}
	}
	return nil
}
