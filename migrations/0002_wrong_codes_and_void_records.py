"""Wrong codes of a year, known browsers with tries of their own, void records

Revision: 0002, after: 0001
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


MOMENTS = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')


def upgrade() -> None:
    op.create_table('void_records',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('label', sa.String(), nullable=False),
    sa.Column('sealed_secret', sa.String(), nullable=False),
    sa.Column('voided_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_void_records_account_id_accounts')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_void_records'))
    )
    op.create_index(op.f('ix_void_records_account_id'), 'void_records', ['account_id'], unique=False)
    op.create_index(op.f('ix_void_records_voided_at'), 'void_records', ['voided_at'], unique=False)
    with op.batch_alter_table('throttles') as throttles:
        throttles.alter_column('failures', existing_type=sa.Integer(), existing_nullable=False, server_default='0')
    op.add_column('throttles', sa.Column('wrong_at', MOMENTS, nullable=False, server_default='[]'))
    op.add_column('throttles', sa.Column('locks', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('trusted_devices', sa.Column('proved_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('trusted_devices', sa.Column('failures', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('trusted_devices', sa.Column('wrong_at', MOMENTS, nullable=False, server_default='[]'))
    op.add_column('trusted_devices', sa.Column('locks', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('trusted_devices', sa.Column('locked_until', sa.DateTime(timezone=True), nullable=True))
    # Trust is given only after an app code: these browsers have passed one.
    op.execute('UPDATE trusted_devices SET proved_at = trusted_at')
    op.add_column('wizards', sa.Column('clock_offset', sa.Integer(), nullable=True))
    op.add_column('wizards', sa.Column('sealed_kept', sa.String(), nullable=True))
    op.add_column('wizards', sa.Column('resumed_turn', sa.Integer(), nullable=True))


def downgrade() -> None:
    for column in ('resumed_turn', 'sealed_kept', 'clock_offset'):
        op.drop_column('wizards', column)
    for column in ('locked_until', 'locks', 'wrong_at', 'failures', 'proved_at'):
        op.drop_column('trusted_devices', column)
    for column in ('locks', 'wrong_at'):
        op.drop_column('throttles', column)
    with op.batch_alter_table('throttles') as throttles:
        throttles.alter_column('failures', existing_type=sa.Integer(), existing_nullable=False, server_default=None)
    op.drop_index(op.f('ix_void_records_voided_at'), table_name='void_records')
    op.drop_index(op.f('ix_void_records_account_id'), table_name='void_records')
    op.drop_table('void_records')
